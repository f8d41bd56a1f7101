"""How a followed rollout ends, and what is said of it on the way."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from proxy import limits
from proxy.cli import watching
from proxy.cli.client import Unreachable
from proxy.cli.following import EXIT_CODES, Followed, follow, shower
from proxy.clock import ManualClock


def view(phase: str, *, stable: str = "v1", candidate: str = "", percent: float = 0.0, **more: Any) -> dict[str, Any]:
    """A service as the admin API shows it."""
    return {"service": "shop", "phase": phase, "stable": stable, "candidate": candidate, "weights": {candidate: percent}, **more}


TRYING = view("progressing", candidate="v2", percent=5, rollout=3, step=0)
PROMOTED = view("stable", stable="v2", rollout=3)
PLAN = {"strategy": "shadow", "steps": []}


def ends(followed: Followed, *views: dict[str, Any]) -> list[str]:
    return [followed.see(each) for each in views]


def test_the_tried_version_that_is_stable_is_promoted() -> None:
    assert ["", "", "promoted"] == ends(Followed(), TRYING, view("promoting", candidate="v2", rollout=3), PROMOTED)


def test_a_promotion_between_two_looks_is_one() -> None:
    assert ["promoted"] == ends(Followed("v2", 3), PROMOTED)


def test_a_rollback_is_one_whether_or_not_it_was_seen_to_run() -> None:
    assert [["", "rolled_back"], ["rolled_back"]] == [
        ends(Followed("v2", 3), TRYING, view("rolled_back", candidate="v2", rollout=3)),
        ends(Followed("v2", 3), view("rolled_back", candidate="v2", rollout=3)),
    ]


def test_another_version_that_is_stable_is_an_abandoned_rollout() -> None:
    assert ["", "abandoned"] == ends(Followed(), TRYING, view("stable", rollout=3))


def test_another_rollout_is_the_end_of_this_one() -> None:
    assert ["", "abandoned"] == ends(Followed("v2", 3), TRYING, view("progressing", candidate="v3", rollout=4))


def test_the_same_version_tried_once_more_is_another_rollout() -> None:
    assert ["", "abandoned"] == ends(Followed("v2", 3), TRYING, TRYING | {"rollout": 4})


def test_nothing_under_way_is_no_failure() -> None:
    assert (["unchanged"], 0) == (ends(Followed(), view("stable")), EXIT_CODES["unchanged"])


def test_a_paused_rollout_is_still_under_way() -> None:
    assert ["", "promoted"] == ends(Followed(), TRYING | {"phase": "paused"}, PROMOTED)


def test_a_shadow_rollout_ends_with_what_was_stable() -> None:
    copying = view("shadowing", candidate="v2", rollout=3, plan=PLAN)

    assert ["", "shadowed"] == ends(Followed(), copying, view("stable", target="v2", rollout=3))


def test_a_shadow_rollout_that_lost_its_target_was_abandoned() -> None:
    copying = view("shadowing", candidate="v2", rollout=3, plan=PLAN)

    assert ["", "abandoned"] == ends(Followed(), copying, view("stable", target="v1", rollout=3))


class Client:
    """Answers with one view after the other, the last again and again; an error is raised, and silence lasts as long as it may."""

    def __init__(self, *views: Any, clock: ManualClock | None = None) -> None:
        self.views = list(views)
        self.clock = clock or ManualClock()
        self.timeout_s = limits.ADMIN_CALL_TIMEOUT_S
        self.revisions = [{"kind": "promoted", "reason": "all is well", "at": 0}]

    def within(self, timeout_s: float) -> Client:
        self.timeout_s = min(timeout_s, limits.ADMIN_CALL_TIMEOUT_S)
        return self

    def get(self, path: str) -> Any:
        if "/history" in path:
            return {"revisions": self.revisions}
        found = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        if found is SILENCE:
            self.clock.advance(self.timeout_s)
        if isinstance(found, BaseException):
            raise found
        return found


AWAY = Unreachable("nothing listens")
SILENCE = Unreachable("no answer")


def run(
    monkeypatch: pytest.MonkeyPatch, *views: Any, output: str = "text", timeout_s: float = 0.0, clock: ManualClock | None = None
) -> int:
    clock = clock or ManualClock()
    monkeypatch.setattr(watching.time, "sleep", clock.advance)
    client: Any = Client(*views, clock=clock)
    return follow(client, "shop", "/shop", output, Followed(), timeout_s=timeout_s, clock=clock)


def test_each_change_is_a_line_and_the_end_has_its_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(monkeypatch, TRYING, TRYING, TRYING | {"step": 1}, PROMOTED)

    assert (0, 4, "shop: v2 is promoted: all is well") == (code, len(out := capsys.readouterr().out.splitlines()), out[-1])


def test_json_is_an_object_a_line_with_the_result_last(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(monkeypatch, TRYING, view("rolled_back", candidate="v2", rollout=3), output="json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert (1, ["progressing", "rolled_back"]) == (code, [line["phase"] for line in lines[:2]])
    assert {"service": "shop", "result": "rolled_back", "version": "v2", "stable": "v1", "reason": "all is well"} == lines[2]


def test_what_does_not_end_in_time_goes_on_and_is_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(monkeypatch, TRYING, timeout_s=30.0)
    assert "shop: v2 is not through: it is progressing after 30 s, and goes on" == capsys.readouterr().out.splitlines()[-1]


def test_a_proxy_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(monkeypatch, TRYING, *[AWAY] * 90, PROMOTED)

    assert (0, 2) == (code, len(capsys.readouterr().err.splitlines()))


def test_a_proxy_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="nothing listens"):
        run(monkeypatch, TRYING, AWAY)


@pytest.mark.parametrize("gone", [AWAY, SILENCE])
@pytest.mark.parametrize("seen", [(TRYING,), ()])
def test_a_time_out_is_kept_while_the_proxy_is_away(
    gone: Unreachable, seen: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, *seen, gone, output="json", timeout_s=9.5, clock=(clock := ManualClock()))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert (1, 9.5, "timeout", f"no word of it after 9.5 s: {gone}") == (code, clock.now(), told["result"], told["reason"])


def test_a_proxy_that_is_back_before_the_time_out_is_followed_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [0, 1] == [run(monkeypatch, TRYING, *[AWAY] * 3, TRYING, PROMOTED, timeout_s=seconds) for seconds in (5.0, 4.0)]


def test_whoever_stops_following_leaves_the_rollout_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, TRYING, KeyboardInterrupt())
    assert "the rollout of shop goes on" in capsys.readouterr().err


def test_a_version_that_is_stable_already_is_promoted_whatever_was_tried_since() -> None:
    assert ["promoted"] == ends(Followed.already("v1"), view("rolled_back", stable="v1", candidate="v2", rollout=4))


class Drawn:
    """A screen that keeps what was drawn, as text."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def draw(self, what: Any) -> None:
        console = Console(file=io.StringIO(), width=120, color_system=None)
        console.print(what)
        assert isinstance(console.file, io.StringIO)
        self.shown.append(console.file.getvalue())


def test_a_screen_has_the_latest_decisions_and_asks_for_them_when_something_is_new() -> None:
    client: Any = Client(TRYING)
    screen: Any = Drawn()
    show = shower(client, "/shop", "text", screen)
    show(TRYING)
    client.revisions = [{"kind": "paused", "reason": "lunch", "at": 0}]
    show(TRYING)
    show(TRYING | {"phase": "paused"})

    assert ["promoted: all is well", "promoted: all is well", "paused: lunch"] == [
        text.rstrip().splitlines()[-1].partition("  ")[2] for text in screen.shown
    ]
