from __future__ import annotations

import json
import os
from itertools import islice
from typing import Any

import pytest

from proxy import limits
from proxy.cli import watching
from proxy.cli.client import Unreachable
from proxy.cli.watching import Lines, line, looks, news, place, screen
from proxy.clock import ManualClock

SHOP: dict[str, Any] = {
    "service": "shop",
    "phase": "progressing",
    "stable": "v1",
    "candidate": "v2",
    "step": 0,
    "steps": 3,
    "weights": {"v1": 95.0, "v2": 5.0},
    "waiting_for": "12 of 20 candidate requests; 1m3s at the present rate",
    "last_verdict": {"finding": "pass", "reason": "1 of 2"},
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Time passes only in the pauses between looks."""
    made = ManualClock()
    monkeypatch.setattr(watching.time, "sleep", made.advance)
    return made


def test_a_look_is_taken_every_second(clock: ManualClock) -> None:
    seen = [clock.now() for _ in islice(looks(lambda: 0, clock=clock), 3)]

    assert [0.0, 1.0, 2.0] == seen


def test_a_proxy_that_is_away_is_waited_for_and_told_of_once(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Any] = [1, Unreachable("gone"), Unreachable("gone"), 2]

    def look() -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    assert [1, 2] == list(islice(looks(look, clock=clock), 2))
    assert ["headgate: gone; looking again for 15 s", "headgate: it answers again"] == capsys.readouterr().err.splitlines()


def test_a_proxy_that_stays_away_is_told_by_its_error(clock: ManualClock) -> None:
    def look() -> Any:
        raise Unreachable("gone")

    with pytest.raises(Unreachable, match="gone"):
        next(looks(look, lost_max_s=5, clock=clock))
    assert 6.0 == clock.now()


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "paused"},
        {"step": 1},
        {"weights": {"v1": 75.0, "v2": 25.0}},
        {"waiting_for": "a person: gate after step 1"},
        {"last_verdict": {"finding": "rollback"}},
        {"checks": [{"name": "a", "result": "fail"}]},
    ],
)
def test_what_matters_is_news(change: dict[str, Any]) -> None:
    assert news(SHOP) != news(SHOP | change)


@pytest.mark.parametrize(
    "change",
    [
        {"waiting_for": "13 of 20 candidate requests; 59 s at the present rate".replace("59 s", "1m2s")},
        {"observed": {"v1": {"requests": 5}}},
        {"last_verdict": {"finding": "pass", "reason": "2 of 3"}},
    ],
)
def test_counts_are_no_news(change: dict[str, Any]) -> None:
    assert news(SHOP) == news(SHOP | change)


def test_a_change_is_a_line_and_what_stays_is_repeated_now_and_then(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("text", clock=clock)
    for _ in range(int(limits.WATCH_REPEAT_S) + 1):
        lines.tell([SHOP])
        clock.advance(1.0)

    assert 2 == len(capsys.readouterr().out.splitlines())


def test_what_rests_is_said_once(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("text", clock=clock)
    for _ in range(2):
        lines.tell([SHOP | {"phase": "stable"}])
        clock.advance(limits.WATCH_REPEAT_S)

    assert 1 == len(capsys.readouterr().out.splitlines())


def test_json_is_the_whole_view_in_a_line(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    Lines("json", clock=clock).tell([SHOP, SHOP | {"service": "blog"}])

    assert [SHOP, SHOP | {"service": "blog"}] == [json.loads(each) for each in capsys.readouterr().out.splitlines()]


def test_a_line_says_what_is_waited_for() -> None:
    said = "shop: progressing, stable v1, candidate v2 at 5 %, step 1 of 3: 12 of 20 candidate requests; 1m3s at the present rate"

    assert said == line(SHOP)


def test_a_line_of_a_rollback_says_why() -> None:
    assert "shop: rolled_back, stable v1: five failures" == line(
        SHOP | {"phase": "rolled_back", "candidate": None, "reason": "five failures", "step": None}
    )


def test_nobody_looks_at_a_screen_in_a_pipe() -> None:
    with screen("text") as shown:
        assert shown is None


def test_a_reader_that_has_left_ends_a_watch_that_has_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr("sys.stdout", out)
        lines = Lines("text")
        lines.tell([SHOP])
        os.close(reader)

        with pytest.raises(BrokenPipeError):
            lines.tell([SHOP])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "step 1 of 3"),
        ({"steps": None}, "step 1"),
        ({"step": None}, ""),
        ({"phase": "promoting", "step": 3}, ""),
        ({"plan": {"strategy": "rolling"}, "step": 1}, "1 of 3 endpoints"),
        ({"plan": {"strategy": "blue_green"}, "step": 2}, "preview"),
        ({"plan": {"strategy": "blue_green"}, "step": 1}, "step 2 of 3"),
    ],
)
def test_a_place_is_a_step_a_preview_or_endpoints(more: dict[str, Any], words: str) -> None:
    assert words == place(SHOP | more)
