"""What the guard promises of slow answers, by simulation with fixed seeds: through the recorder's cells, the tally and the judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import pytest

from proxy.analysis.guard import judge
from proxy.analysis.tally import Tally
from proxy.control.baseline import Baseline
from proxy.model.position import Finding
from proxy.model.rollout import Guard
from proxy.telemetry.recorder import Cell
from proxy.telemetry.snapshot import CellDelta

SHARE = 0.1


def took(chance: Random, slower: float = 1.0) -> float:
    """Seconds of an answer: lognormal, as services are; median 20 ms, p99 about 80 ms."""
    return slower * chance.lognormvariate(math.log(0.02), 0.6)


def bound(chance: Random) -> float:
    """What counts as slow after 2,000 answers of stable."""
    cell = Cell("shop", "v1", 1)
    for _ in range(2000):
        cell.record(200, None, took(chance), True, 0)
    baseline = Baseline()
    baseline.keep([("shop", "v1")])
    baseline.add(cell.take(0), 100.0)
    return baseline.slow_over_s(("shop", "v1"), 100.0)


def requests_until_rollback(chance: Random, slower: float, most: int) -> int | None:
    """Requests of the service until the guard rolls back, judged after every ten; None when it does not within ``most``."""
    slow_over_s = bound(chance)
    cells = {
        version: Cell("shop", version, 1, rollout=1, candidate_share=SHARE, is_candidate=version == "v2", slow_over_s=slow_over_s)
        for version in ("v1", "v2")
    }
    tally = Tally(1)
    for request in range(1, most + 1):
        if chance.random() < SHARE:
            cells["v2"].record(200, None, took(chance, slower), True, 0)
        else:
            cells["v1"].record(200, None, took(chance), True, 0)
        if request % 10 == 0:
            for cell in cells.values():
                tally.add(cell.take(0), stable="v1", candidate="v2")
            if judge(Guard(), tally).finding is Finding.ROLLBACK:
                return request
    return None


def test_a_candidate_ten_times_as_slow_is_caught_within_a_hundred_requests() -> None:
    """Nine in ten of its answers are over the bound; at 100 requests a second that is a second."""
    chance = Random(20_220_514)
    runs = [requests_until_rollback(chance, 10.0, 2000) for _ in range(40)]
    found = sorted(run for run in runs if run is not None)

    assert 40 == len(found)
    assert (True, True) == (found[20] <= 100, found[36] <= 200), found


def test_a_candidate_twice_as_slow_is_caught_within_some_thousand() -> None:
    """One in eight of its answers is over the bound, and one in a hundred of stable's."""
    chance = Random(7)
    runs = [requests_until_rollback(chance, 2.0, 20_000) for _ in range(9)]
    found = sorted(run for run in runs if run is not None)

    assert (9, True) == (len(found), found[4] <= 4000), runs


def slow_ones(chance: Random, of_candidate: float, of_stable: float) -> Iterator[bool]:
    """Endless slow answers at these rates of each version: whether it is the candidate's."""
    mine = SHARE * of_candidate / (SHARE * of_candidate + (1 - SHARE) * of_stable)
    while True:
        yield chance.random() < mine


def alarms(chance: Random, guard: Guard, ratio: float, failing: float, events: int) -> bool:
    """Whether a rollout is rolled back though the candidate keeps to these ratios; it is looked at after every event of it."""
    slow, failed = slow_ones(chance, 0.01 * ratio, 0.01), slow_ones(chance, 0.01 * failing, 0.01)
    tally = Tally(1)
    for _ in range(events):
        for kind, of_candidate in (("slow", next(slow)), ("failed", next(failed))):
            version = "v2" if of_candidate else "v1"
            cell = CellDelta("shop", version, 1, rollout=1, candidate_share=SHARE, draws=1, draw_slow=int(kind == "slow"))
            if kind == "failed":
                cell.draw_failures = {"status_5xx": 1}
            tally.add(cell, stable="v1", candidate="v2")
            if of_candidate and judge(guard, tally).finding is Finding.ROLLBACK:
                return True
    return False


def test_equal_versions_are_not_rolled_back_in_two_thousand_rollouts() -> None:
    chance = Random(11)

    assert 0 == sum(alarms(chance, Guard(), 1.0, 1.0, 60) for _ in range(2000))


@pytest.mark.parametrize(("ratio", "failing"), [(3.0, 1.5), (3.0, 0.5), (1.0, 1.5)])
def test_at_the_very_edge_of_what_is_tolerated_false_alarms_of_both_kinds_together_stay_below_alpha(
    ratio: float, failing: float
) -> None:
    chance = Random(3)
    guard = Guard(alpha=0.2, min_failures=1)

    assert sum(alarms(chance, guard, ratio, failing, 60) for _ in range(300)) <= 0.2 * 300
