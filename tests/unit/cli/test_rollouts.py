"""What the verbs of a rollout want of whoever types them; what they ask is held against a pretended admin."""

from __future__ import annotations

import click
import pytest

from proxy.cli.main import main
from proxy.cli.rollouts import seconds


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


@pytest.mark.parametrize(("text", "expected"), [("30m", 1800.0), ("0", 0.0), ("1m30s", 90.0)])
def test_a_time_out_is_written_as_in_the_configuration(text: str, expected: float) -> None:
    assert expected == seconds(None, None, text)


def test_a_time_out_without_a_unit_is_told_one() -> None:
    with pytest.raises(click.BadParameter, match="Perhaps 30s"):
        seconds(None, None, "30")
