"""The guard's promises by simulation with fixed seeds: how fast it decides, and how seldom it is wrong.

Only failures matter to it, so a simulated second costs its failures: the requests between two are skipped by a geometric draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.guard import judge, threshold_of
from proxy.analysis.statistics import ShareFailures, log_evidence
from proxy.analysis.tally import Tally
from proxy.model.rollout import Guard
from proxy.telemetry.snapshot import CellDelta
from tests.kit.figures import PUBLISHED

FAILURES_DECIDE = threshold_of(Guard(), "failures")
"""What is left of alpha for failures, beside slow answers."""


def failures(chance: Random, share: float, candidate: float, stable: float) -> Iterator[tuple[int, bool]]:
    """Endless (number of the failing request, whether it is the candidate's) at these failure rates."""
    rate = share * candidate + (1 - share) * stable
    request = 0
    while True:
        request += max(1, math.ceil(math.log(1 - chance.random()) / math.log1p(-rate)))
        yield request, chance.random() < share * candidate / rate


def requests_until_decision(chance: Random, share_bp: int, candidate: float, stable: float) -> int:
    bad, good = 0, 0
    for request, is_candidate in failures(chance, share_bp / 10_000, candidate, stable):
        bad, good = bad + is_candidate, good + (not is_candidate)
        if bad >= 3 and log_evidence([ShareFailures(share_bp, bad, good)], 1.5) >= FAILURES_DECIDE:
            return request
    raise AssertionError("unreachable: failures do not end")


@pytest.mark.parametrize(
    ("rps", "share_bp", "candidate", "stable", "median_s", "p90_s"),
    PUBLISHED,
)
def test_a_bad_candidate_is_caught_as_fast_as_promised(
    rps: int, share_bp: int, candidate: float, stable: float, median_s: float, p90_s: float
) -> None:
    """Within 15 % of the published median and p90: 300 runs give a median to about 5 %."""
    chance = Random(20_220_514)
    runs = sorted(requests_until_decision(chance, share_bp, candidate, stable) / rps for _ in range(300))

    assert (pytest.approx(median_s, rel=0.15), pytest.approx(p90_s, rel=0.15)) == (runs[150], runs[270])


def alarmed(chance: Random, ratio: float, alpha: float, per_step: int) -> bool:
    """Whether a rollout 5 % -> 25 % -> 50 % raises an alarm, looked at after every failure, the candidate failing ``ratio`` times."""
    rows: list[ShareFailures] = []
    for share_bp in (500, 2500, 5000):
        bad, good = 0, 0
        drawn = failures(chance, share_bp / 10_000, 0.01 * ratio, 0.01)
        for _ in range(per_step):
            _, is_candidate = next(drawn)
            bad, good = bad + is_candidate, good + (not is_candidate)
            if log_evidence([*rows, ShareFailures(share_bp, bad, good)], ratio) >= math.log(1 / alpha):
                return True
        rows.append(ShareFailures(share_bp, bad, good))
    return False


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_false_alarms_at_the_very_edge_of_what_is_tolerated_stay_below_alpha(ratio: float) -> None:
    """The worst case: the candidate fails exactly as often as it may, and somebody looks after every failure."""
    chance = Random(7)
    alarms = sum(alarmed(chance, ratio, 0.2, 40) for _ in range(250))

    assert 0 < alarms <= 0.2 * 250


def test_two_equal_versions_raise_no_alarm_at_the_default() -> None:
    """A/A at ratio 1.5 and alpha 0.001: equal versions are well inside what is tolerated."""
    chance = Random(11)

    def run() -> bool:
        bad = 0
        for count, (_, is_candidate) in zip(range(1, 151), failures(chance, 0.1, 0.01, 0.01), strict=False):
            bad += is_candidate
            if is_candidate and log_evidence([ShareFailures(1000, bad, count - bad)], 1.5) >= math.log(1000):
                return True
        return False

    assert 0 == sum(run() for _ in range(400))


def test_users_who_always_fail_do_not_accuse_the_candidate_when_the_weight_moves_them() -> None:
    """300 users fail at every request on either version. 5 % -> 25 % -> 50 % moves some; each counts where they failed first."""
    chance = Random(3)
    buckets = {user: chance.random() for user in range(300)}
    tally = Tally(1)
    for share in (0.05, 0.25, 0.5):
        for _ in range(3):
            candidate = [(user, "status_5xx") for user, bucket in buckets.items() if bucket < share]
            stable = [(user, "status_5xx") for user, bucket in buckets.items() if bucket >= share]
            for version, users in (("v2", candidate), ("v1", stable)):
                delta = CellDelta("shop", version, 1, rollout=1, candidate_share=share, draws=len(users), failed_users=users)
                tally.add(delta, stable="v1", candidate="v2")

    assert ("pass", 300) == (judge(Guard(), tally).finding, tally.users["failures"].candidate + tally.users["failures"].stable)


rows = st.lists(
    st.builds(ShareFailures, st.integers(0, 10_000), st.integers(0, 200), st.integers(0, 200)), max_size=6, unique_by=lambda r: r[0]
)


@given(rows, st.integers(1, 9_999), st.sampled_from([1.0, 1.5, 3.0]))
def test_a_candidate_failure_raises_the_evidence_and_a_stable_one_lowers_it(
    counted: list[ShareFailures], share_bp: int, ratio: float
) -> None:
    others = [row for row in counted if row.share_bp != share_bp]
    evidence = log_evidence([*others, ShareFailures(share_bp, 1, 1)], ratio)

    assert log_evidence([*others, ShareFailures(share_bp, 2, 1)], ratio) > evidence
    assert log_evidence([*others, ShareFailures(share_bp, 1, 2)], ratio) < evidence


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_shares_does_not_matter(counted: list[ShareFailures], chance: Random) -> None:
    shuffled = list(counted)
    chance.shuffle(shuffled)

    assert log_evidence(counted, 1.5) == pytest.approx(log_evidence(shuffled, 1.5), rel=1e-9, abs=1e-9)


deltas = st.lists(
    st.builds(
        CellDelta,
        service=st.just("shop"),
        version=st.sampled_from(["v1", "v2", "v3"]),
        generation=st.integers(1, 9),
        rollout=st.sampled_from([1, 2]),
        candidate_share=st.sampled_from([0.0, 0.0001, 0.05, 0.25, 1.0]),
        draws=st.integers(0, 50),
        draw_failures=st.dictionaries(st.sampled_from(["reset", "timeout", "no_endpoint"]), st.integers(1, 9)),
        failed_users=st.lists(st.tuples(st.integers(-(2**63), 2**64 - 1), st.sampled_from(["reset", "no_endpoint"])), max_size=4),
    ),
    max_size=12,
)


@given(deltas, deltas)
def test_a_restart_in_the_middle_changes_no_figure(before: list[CellDelta], after: list[CellDelta]) -> None:
    straight, restarted = Tally(1, Guard().failures), Tally(1, Guard().failures)
    for delta in before:
        straight.add(delta, stable="v1", candidate="v2", at_s=1.5)
        restarted.add(delta, stable="v1", candidate="v2", at_s=1.5)
    restarted = Tally.from_json(restarted.to_json())
    for delta in after:
        straight.add(delta, stable="v1", candidate="v2", at_s=2.5)
        restarted.add(delta, stable="v1", candidate="v2", at_s=2.5)

    assert judge(Guard(), straight) == judge(Guard(), restarted)
