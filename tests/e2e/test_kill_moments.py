"""The supervisor is killed at any moment of a rollout, again and again: nothing is forgotten, nothing is done twice, nobody notices.

A few times in the suite; ``HEADGATE_KILLS=50`` for the figures.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.kit.clients import Paced, get
from tests.kit.processes import Headgate
from tests.kit.scene import Scene, versions
from tests.kit.waiting import for_a_while, until

KILLS = int(os.environ.get("HEADGATE_KILLS", "3"))
SEED = int(os.environ.get("HEADGATE_SEED", "20"))
A_ROLLOUT = 12  # kills; each takes up to four of its steps
STEPS = [{"weight": 1 + step, "for": "500ms", "min_requests": 1} for step in range(50)]


def left(proxy: Headgate) -> tuple[dict[str, Any], list[tuple[int, str, dict[str, Any]]]]:
    """What a dead process left in its state file: the position, and (revision, kind, figures), oldest first."""
    with closing(sqlite3.connect(f"file:{proxy.settings['state']['path']}?mode=ro", uri=True)) as file:
        position = json.loads(file.execute("SELECT position FROM positions WHERE service = 'shop'").fetchone()[0])
        rows = file.execute("SELECT revision, record FROM history WHERE service = 'shop' ORDER BY revision").fetchall()
    records = [(revision, json.loads(record)) for revision, record in rows]
    return position, [(revision, record["kind"], record["figures"]) for revision, record in records]


def begin(proxy: Headgate, *, again: bool) -> None:
    """A rollout from its first step."""
    if again:
        proxy.say("abort", reason="its steps are nearly over")
    proxy.say("retry" if again else "start", **({} if again else {"to": "v2"}))


def next_decision(proxy: Headgate, known: int) -> dict[str, Any]:
    """The figures of the first decision after so many."""
    until(lambda: len(left(proxy)[1]) > known, 20, "the next decision")
    return left(proxy)[1][known][2]


def kill(proxy: Headgate) -> None:
    """As the kernel does it when memory is short."""
    proxy.signal(signal.SIGKILL)
    proxy.child.process.wait(10)


def at_a_moment(proxy: Headgate, chance: random.Random, number: int) -> None:
    """Half of the kills come at any time, the others the moment a decision is seen."""
    if number % 2:
        before = proxy.service()["step"]
        until(lambda: proxy.service()["step"] != before, 20, "the next step")
    else:
        for_a_while(lambda: proxy.child.running, chance.uniform(0.0, 1.5), lambda: proxy.child.tail())


@pytest.mark.slow
def test_a_supervisor_killed_at_any_moment_is_followed_by_one_at_the_same_step_and_weight(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    services = {"shop": {"versions": versions(v1=v1.url, v2=v2.url), "target": "v1", "rollout": {"steps": STEPS}}}
    proxy = scene.headgate(services, workers=2)
    chance = random.Random(SEED)
    stood, found = [], []
    with Paced(proxy.port, [get()] * 16, rate=200).running() as outcome:
        for number in range(KILLS):
            if number % A_ROLLOUT == 0:
                begin(proxy, again=number > 0)
            at_a_moment(proxy, chance, number)
            kill(proxy)
            position, history = left(proxy)
            stood.append((position["phase"], position["step"], position["weight_bp"], history))
            proxy.start()
            view, kept = proxy.service(), left(proxy)[1]
            following = next_decision(proxy, len(history))
            found.append((view["phase"], view["step"], following["step"] - 1, following["weight_bp_before"], kept[: len(history)]))
            assert view["weights"]["v2"] == STEPS[view["step"]]["weight"]
        _, history = left(proxy)
        answered = len(outcome.answers)

    steps = sum(kind == "step" for _, kind, _ in history)
    with capsys.disabled():
        print(f"\n    {KILLS} kills over {steps} steps (seed {SEED}): {answered} answers, {len(outcome.failures)} failed")
    assert [(phase, step, weight, history) for phase, step, weight, history in stood] == [
        (phase, step, weight, kept) for phase, _, step, weight, kept in found
    ]
    assert list(range(1, len(history) + 1)) == [revision for revision, _, _ in history]
    rollouts = sorted({figures["rollout"] for _, kind, figures in history if kind == "step"})
    for rollout in rollouts:
        steps = [figures["step"] for _, kind, figures in history if kind == "step" and figures["rollout"] == rollout]
        assert list(range(1, len(steps) + 1)) == steps
    assert -(-KILLS // A_ROLLOUT) == len(rollouts)
    assert ([], []) == (outcome.bad, outcome.failures)
