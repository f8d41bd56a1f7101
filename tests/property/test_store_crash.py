"""Killed at any instant, a rollout goes on where it stood: same step, same weight, a history without gap or double.

``Life`` is the smallest control loop: it decides, keeps, publishes. It is killed at every boundary in turn, and inside the
transaction; a new life opens the same file, publishes what it finds there and is given the rest of the story. Real processes are
killed with SIGKILL in the last test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.model.position import Finding, Position, Record, Revision, Verdict
from proxy.model.rollout import GateStep, Hook, Rolling, RolloutPlan, WeightStep
from proxy.rollout.events import Applied, Command, EndpointLevel, Event, Heard, Measured, Publish, TargetSet
from proxy.rollout.machine import initial, step
from proxy.store import Store

PLAN = RolloutPlan(steps=(WeightStep(500, for_s=2.0), GateStep(), WeightStep(5000, for_s=1.0, min_requests=3)))
WELL = Measured(1.0, 2, Verdict(Finding.PASS, "well", {"log_evidence": -0.1}))
BAD = Measured(1.0, 2, Verdict(Finding.ROLLBACK, "bad", {"log_evidence": 8.0}))
DONE = Applied(1, 0.1)

PROMOTED = (TargetSet("v2", "f2", PLAN), DONE, WELL, WELL, Command("promote", "ann"), DONE, WELL, WELL, DONE, DONE)
ROLLED_BACK = (TargetSet("v2", "f2", PLAN), DONE, WELL, BAD, DONE, DONE, Command("retry", "ann"), DONE, BAD, DONE)
ABANDONED = (TargetSet("v2", "f2", PLAN), WELL, TargetSet("v3", "f3", PLAN), DONE, WELL, TargetSet("v1", "f1", PLAN), DONE)

SMOKE = Hook("before_rollout", "http://ci/smoke")
PREVIEWED = RolloutPlan(strategy="blue_green", steps=(), interval_s=2.0, hooks=(SMOKE, Hook("after_promotion", "http://ci/tell")))
SWITCHED = (
    *(TargetSet("v2", "f2", PREVIEWED), DONE, Heard("1/0/before_rollout", True, "200"), DONE),
    *(replace(WELL, endpoints=(EndpointLevel("v2", "a", True, 0),)),) * 2,
    *(DONE, Heard("1/1/after_promotion", True, "200"), Command("undo", "ann", to="v1", plan=PREVIEWED, fingerprint="f1"), DONE),
    *(Heard("2/0/after_promotion", False, "500"), Command("switch", "ann", to="v3", plan=PREVIEWED, fingerprint="f3"), DONE, DONE),
)
BATCHES = RolloutPlan(
    strategy="rolling", steps=(), rolling=Rolling(min_ready_s=1.0, slow_start_s=0.0), hooks=(Hook("before_step", "http://ops/replace"),)
)
AB = tuple(EndpointLevel(version, label, True, 0) for version in ("v1", "v2") for label in "ab")
LOOK, HOOKED = replace(WELL, endpoints=AB), "http://ops/replace answered 200"
BATCHED = (
    *(TargetSet("v2", "f2", BATCHES), DONE, LOOK, DONE, LOOK, LOOK, Heard("1/0/before_step", True, HOOKED), LOOK, DONE),
    *(LOOK, DONE, replace(BAD, endpoints=AB), DONE, LOOK, LOOK, LOOK, Heard("1/2/before_step", True, HOOKED), LOOK, DONE, DONE),
)
STORIES = pytest.mark.parametrize(
    "story",
    [PROMOTED, ROLLED_BACK, ABANDONED, SWITCHED, BATCHED],
    ids=["promoted", "rolled_back", "abandoned", "switched", "batched"],
)


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it, nothing after it runs."""


class Life:
    """One process's life on the state file. ``boundary`` is told the name of every instant at which it may be killed."""

    def __init__(self, path: Path, boundary: Callable[[str], None], workers: list[tuple[str, str, int]]) -> None:
        self.boundary = boundary
        self.workers = workers  # what they were told, last at the end: they outlive this process
        self.store = Store(path)
        kept = self.store.load().get("shop")
        self.position = kept[0] if kept else initial("shop", "v1", "f1")
        self.workers.append(served(self.position))

    def live(self, event: Event, now: float) -> None:
        position, effects = step(self.position, event, now)
        records = [effect for effect in effects if isinstance(effect, Record)]
        self.boundary("decided")
        if records:
            self.store.decide(position, records, now, {"at": now})
        else:
            self.store.progress(position, {"at": now})
        self.position = position
        self.boundary("kept")
        if any(isinstance(effect, Publish) for effect in effects):
            assert self.store.history("shop", 1)[0].position == position, "the history has it before a worker does"
            self.workers.append(served(position))
            self.boundary("published")


def served(position: Position) -> tuple[str, str, int]:
    return position.stable, position.candidate if position.weight_bp else "", position.weight_bp


def played(
    path: Path, story: tuple[Event, ...], boundary: Callable[[str], None]
) -> tuple[Position, list[Revision], tuple[str, str, int]]:
    """The story to its end through as many lives as it takes."""
    workers: list[tuple[str, str, int]] = []
    number = 0
    while number < len(story):
        life = Life(path, boundary, workers)
        try:
            while number < len(story):
                before = life.position
                life.live(story[number], float(number))
                number += 1
        except Killed:
            life.store.close()
            with Store(path) as store:  # was the event in time? then the world goes on after it, else it is told again
                kept = store.load().get("shop")
            expected, _ = step(before, story[number], float(number))
            number += kept is not None and kept[0] == expected
        else:
            life.store.close()
    with Store(path) as store:
        return store.load()["shop"][0], store.history("shop", 100), workers[-1]


def nothing(_: str) -> None:
    pass


def killed_at(instant: int) -> Callable[[str], None]:
    passed = 0

    def boundary(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == instant:
            raise Killed

    return boundary


@STORIES
def test_killed_at_every_boundary_it_ends_where_it_would_have_ended(tmp_path: Path, story: tuple[Event, ...]) -> None:
    instants: list[str] = []
    undisturbed = played(tmp_path / "undisturbed.db", story, instants.append)

    for instant in range(1, len(instants) + 1):
        assert undisturbed == played(tmp_path / f"killed-{instant}.db", story, killed_at(instant)), (instant, instants[instant - 1])


@STORIES
def test_killed_inside_every_transaction_it_ends_where_it_would_have_ended(
    tmp_path: Path, story: tuple[Event, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instant is the encoding of a record, when the position has been written and its history has not."""
    from proxy.store import store as module

    encode = module._encode
    undisturbed = played(tmp_path / "undisturbed.db", story, nothing)
    records = len(undisturbed[1])
    for instant in range(1, records + 1):
        passed = 0

        def encoded(what: Any, instant: int = instant) -> str:
            nonlocal passed
            passed += isinstance(what, Record)
            if passed == instant and isinstance(what, Record):
                raise Killed
            return encode(what)

        with monkeypatch.context() as patched:
            patched.setattr(module, "_encode", encoded)
            assert undisturbed == played(tmp_path / f"killed-{instant}.db", story, nothing), instant


def test_the_stories_are_worth_being_killed_in(tmp_path: Path) -> None:
    ends = [
        played(tmp_path / f"{n}.db", story, nothing) for n, story in enumerate((PROMOTED, ROLLED_BACK, ABANDONED, SWITCHED, BATCHED))
    ]

    assert [
        ("v2", ["started", "gate", "step", "promoting", "promoted"]),
        ("v1", ["started", "rolling_back", "rolled_back", "started", "rolling_back", "rolled_back"]),
        ("v1", ["started", "abandoned", "started", "abandoned", "rolled_back"]),
        ("v3", ["started", "step", "promoting", "promoted", "hook", "switching", "promoted", "hook", "switching", "promoted"]),
        ("v1", ["started", "step", "asking", "step", "step", "step", "rolling_back", "step", "asking", "step", "step", "rolled_back"]),
    ] == [(position.stable, [each.kind for each in reversed(history)]) for position, history, _ in ends]


CHILD = """
import sys
from pathlib import Path
from proxy.model.position import Position, Record
from proxy.store import Store
store = Store(Path(sys.argv[1]))
for number in range(1, 100_000):
    position = Position("shop", f"v{number}", step=number)
    for revision in store.decide(position, [Record("step", str(number))], float(number), None):
        sys.stdout.write(f"{revision}\\n")
        sys.stdout.flush()
    store.progress(position, {"n": number})
"""


def test_after_sigkill_every_decision_that_was_reported_is_there_and_none_is_missing_in_between(tmp_path: Path) -> None:
    path = tmp_path / "headgate.db"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    reported = 0
    for line in child.stdout:
        reported = int(line)
        if reported == 57:
            os.kill(child.pid, signal.SIGKILL)
            break
    reported = max([reported, *(int(line) for line in child.stdout.read().split())])
    child.stdout.close()
    child.wait(timeout=10)

    with Store(path) as store:
        position = store.load()["shop"][0]
        revisions = [each.revision for each in store.history("shop", 100_000)]
        notice = store.notice

    assert ("", position.step) == (notice, revisions[0])
    assert revisions[0] in (reported, reported + 1)  # the last one may have been kept without being reported
    assert revisions == list(range(revisions[0], revisions[-1] - 1, -1))
