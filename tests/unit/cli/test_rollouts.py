"""How a watched rollout ends, and what is said of it on the way."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli.main import main
from proxy.cli.rollouts import follow, line


def view(phase: str, *, stable: str = "v1", candidate: str = "", percent: float = 0.0, **more: Any) -> dict[str, Any]:
    """A service as the admin API shows it."""
    return {"service": "shop", "phase": phase, "stable": stable, "candidate": candidate, "weights": {candidate: percent}, **more}


def test_a_promotion_ends_with_0() -> None:
    views = [view("progressing", candidate="v2", percent=5), view("promoting", candidate="v2"), view("stable", stable="v2")]

    assert 0 == follow(views, "shop", "", "text")


def test_a_rollback_ends_with_1() -> None:
    assert 1 == follow([view("progressing", candidate="v2", percent=5), view("rolled_back")], "shop", "", "text")


def test_resting_on_another_version_than_the_one_tried_ends_with_1() -> None:
    assert 1 == follow([view("progressing", candidate="v2", percent=5), view("stable", stable="v1")], "shop", "", "text")


def test_resting_on_another_version_than_the_one_started_ends_with_1() -> None:
    assert 1 == follow([view("stable", stable="v1")], "shop", "v2", "text")


def test_nothing_under_way_ends_with_0() -> None:
    assert 0 == follow([view("stable")], "shop", "", "text")


def test_a_paused_rollout_is_still_under_way() -> None:
    views = [view("paused", candidate="v2", percent=5), view("stable", stable="v2")]

    assert 0 == follow(views, "shop", "", "text")


def test_what_has_not_changed_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    step = view("progressing", candidate="v2", percent=5, step=0)

    follow([step, step, view("stable", stable="v2")], "shop", "", "text")

    assert 2 == len(capsys.readouterr().out.splitlines())


def test_a_line_says_what_is_waited_for() -> None:
    said = line(view("progressing", candidate="v2", percent=5, step=0, waiting_for="12 of 20 requests"), "shop")

    assert "shop: progressing, stable v1, candidate v2 at 5 %, step 1: 12 of 20 requests" == said


@pytest.mark.parametrize(
    "args",
    [
        ["rollout", "start", "shop"],
        ["rollout", "abort", "shop"],
        ["rollout", "promote"],
        ["rollout", "dance", "shop"],
        ["rollout", "watch", "shop", "--output", "xml"],
    ],
)
def test_what_is_missing_or_unknown_is_wrong_usage(args: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.main(args)
