"""What the story promises, played with scripted proxies and users instead of processes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.demo import story as told
from proxy.cli.demo.clients import Ledger, Record
from proxy.cli.demo.story import USERS, Story
from proxy.cli.demo.telling import Telling
from proxy.cli.demo.watcher import Weight


class ScriptedWorld:
    """Stage, crowd and watcher in one: a proxy that moves everybody at once, and does wrong what ``wrong`` names."""

    config = Path("headgate.yaml")

    def __init__(self, wrong: str = "") -> None:
        self.ledger = Ledger()
        self.weights: list[Weight] = []
        self._wrong = wrong
        self._at = 0.0

    def check(self) -> None:
        """Nobody dies here."""

    def now(self) -> float:
        self._at += 0.001
        return self._at

    async def sleep(self, seconds: float) -> None:
        """Two seconds of users, everyone once, by the version that is live."""
        live = {0: "v1", 1: "v2", 2: "v2"}[self._edits()]
        if self._wrong == "stray" and self._edits() == 2:
            live = "v3"
        self._everyone(live)

    def _edits(self) -> int:
        return sum(1 for weight in self.weights if weight.percent == 5)

    def _everyone(self, version: str, status: int = 200) -> None:
        for user in range(USERS):
            self._one(user, version, status)

    def _one(self, user: int, version: str, status: int = 200) -> None:
        self.ledger.add(Record(user, self.now(), self.now(), status, version, version))

    def write_target(self, target: str) -> float:
        return self.now()

    async def until(
        self, holds: Callable[[Mapping[str, Any]], bool], what: str, timeout_s: float, seen: Any = lambda view: None
    ) -> Mapping[str, Any]:
        views: list[dict[str, Any]] = []
        for candidate, end in (("v2", {"phase": "stable", "stable": "v2"}), ("v3", {"phase": "rolled_back", "stable": "v2"})):
            views += [{"candidate": candidate, "phase": "progressing"}, {"candidate": None, **end}]
        view = next(view for view in views if holds(view))
        if view["phase"] == "progressing":
            self.weights += [Weight(self.now(), 0.0, 0), Weight(self.now(), 5.0, 0)]
        else:
            bad = view["phase"] == "rolled_back"
            self._one(1, "v3" if bad else "v2", 500 if bad and self._wrong != "never bad" else 200)
            if self._wrong == "back" and not bad:
                self._one(1, "v1")
            if self._wrong == "slow" and bad:
                self._at += 3.0
                self._one(1, "v3", 500)
            self.weights.append(Weight(self.now(), 0.0, 1))
        seen(view)
        return view

    async def history(self) -> list[Mapping[str, Any]]:
        decided = {"revision": 2, "kind": "rolling_back", "at": 10.2, "reason": "5 failures in 90 requests"}
        return [{"revision": 3, "kind": "rolled_back", "at": 10.203, "reason": "done"}, decided]

    async def revision(self, number: int) -> Mapping[str, Any]:
        return next(e for e in await self.history() if e["revision"] == number) | {"figures": {"first_failure_s": 10.0}}

    async def metrics(self) -> str:
        counts = self.ledger.split(0.0)
        if self._wrong == "books":
            counts["v1"] += 1
        return "".join(f'headgate_requests_total{{service="shop",version="{v}",code="200"}} {n}.0\n' for v, n in counts.items())

    async def rest(self) -> None:
        """The users are always at rest."""

    def resume(self) -> None:
        """They need no telling."""


def play(monkeypatch: pytest.MonkeyPatch, wrong: str = "") -> tuple[Story, str]:
    """The story in a scripted world, and what it said."""
    world = ScriptedWorld(wrong)
    monkeypatch.setattr(told, "_now", world.now)
    monkeypatch.setattr(told.asyncio, "sleep", world.sleep)
    file = io.StringIO()
    any_world: Any = world
    story = Story(any_world, Telling(file), world.ledger, any_world, any_world)
    asyncio.run(story.tell())
    return story, file.getvalue()


def test_a_story_that_goes_as_promised_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    story, _ = play(monkeypatch)

    assert (True, []) == (story.held, [one for one in story.expectations if not one.held])


def test_a_story_not_told_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = ScriptedWorld()

    assert not Story(world, Telling(io.StringIO()), Ledger(), world, world).held


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        ("books", "the proxy counts what the clients count"),
        ("back", "users only move into a rising v2"),
        ("slow", "v3 is out within 2 s of its first bad answer"),
        ("never bad", "v3 is out within 2 s of its first bad answer"),
        ("stray", "every user is back on v2"),
    ],
)
def test_a_broken_promise_is_found(monkeypatch: pytest.MonkeyPatch, wrong: str, promise: str) -> None:
    story, _ = play(monkeypatch, wrong)

    assert [promise] == [one.what[: len(promise)] for one in story.expectations if not one.held]


def test_the_history_s_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "5 failures in 90 requests" in play(monkeypatch)[1]


def test_the_proxy_s_own_times_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "decided 200 ms after the first failure, in effect 3 ms later" in " ".join(play(monkeypatch)[1].split())


def test_the_figures_say_how_the_bad_version_was_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = play(monkeypatch)[0].figures["rollback"]

    assert (1, 1, 1) == (figures["failures"], figures["users_failed"], figures["users_met"])
