"""What is promised of the guard, through whole simulated rollouts: how fast it decides, and how seldom it is wrong."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model.rollout import Check, FreezeWindow, GateStep, Guard, PrometheusQuery, RolloutPlan, ShadowStep, WeightStep
from proxy.simulation import Report, Traffic, simulate
from proxy.simulation.crowd import Crowd
from proxy.simulation.play import play
from proxy.simulation.traffic import Counts, Spell
from tests.kit.figures import PUBLISHED


def report(weight_bp: int, for_s: float, traffic: Traffic, *, guard: Guard, runs: int, equal_runs: int) -> Report:
    plan = RolloutPlan(steps=(WeightStep(weight_bp, for_s),), guard=guard)
    return simulate(
        plan, traffic, runs=runs, equal_runs=equal_runs, seed=20_220_514, gates="pass", cause="status_5xx", horizon_s=86_400.0
    )


@pytest.mark.parametrize(
    ("rps", "share_bp", "candidate", "stable", "median_s", "p90_s"),
    PUBLISHED,
)
def test_a_bad_candidate_is_caught_as_fast_as_promised(
    rps: int, share_bp: int, candidate: float, stable: float, median_s: float, p90_s: float
) -> None:
    """Within 15 % of the published median and p90, the 20 ms of a report included."""
    found = report(share_bp, 3600.0, Traffic(rps, stable, candidate), guard=Guard(), runs=600, equal_runs=1).candidate

    assert found.decision_s is not None
    assert (1.0, pytest.approx(median_s, rel=0.15), pytest.approx(p90_s, rel=0.15)) == (
        found.caught,
        found.decision_s.median,
        found.decision_s.p90,
    )


@pytest.mark.parametrize("share_bp", [100, 500, 5000])
def test_two_thousand_equal_candidates_raise_no_more_alarms_than_alpha(share_bp: int) -> None:
    """30 min at 100 requests/s, 1 % of both versions' failing, alpha 0.01; sure at 95 %."""
    traffic = Traffic(100, 0.01, 0.01)
    found = report(share_bp, 1800.0, traffic, guard=Guard(alpha=0.01), runs=1, equal_runs=2000)

    assert (True, 2000) == (found.false_alarms_at_most <= 0.01, found.equal.runs)


PEOPLE = Traffic(100, 0.01, 0.01, users=100_000)
"""One user in a hundred fails at every request of theirs, some twenty a session, on whichever version."""
MOVING = (WeightStep(500, 600.0), WeightStep(2500, 600.0), WeightStep(5000, 600.0))


@pytest.mark.parametrize("steps", [(WeightStep(100, 1800.0),), (WeightStep(500, 1800.0),), (WeightStep(5000, 1800.0),), MOVING])
def test_users_who_keep_failing_raise_no_more_alarms_than_alpha(steps: tuple[WeightStep, ...]) -> None:
    """With the ratio tolerated at 1, the worst case. docs/simulate.md has it for 2,000 rollouts each, at 1 and at 1.5."""
    plan = RolloutPlan(steps=steps, guard=Guard(alpha=0.01, ratio=1.0))
    options: dict[str, Any] = {"gates": "pass", "cause": "status_5xx", "horizon_s": 86_400.0}
    found = simulate(plan, PEOPLE, runs=1, equal_runs=300, seed=20_220_514, **options)

    assert found.false_alarms <= 0.01
    assert found.equal.failures.mean > 5 * found.equal.users_hurt.mean  # or nothing would cluster


def test_counting_their_failures_instead_of_them_would_accuse_equal_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard's counting of users is for, and that the test above could fail: 16 alarms in 100, at alpha 0.01."""

    def anonymous(self: Crowd, *args: Any) -> tuple[float, Counts]:
        stop, counts = pass_time(self, *args)
        counts.candidate_users, counts.stable_users = [], []
        return stop, counts

    pass_time = Crowd.pass_time
    monkeypatch.setattr(Crowd, "pass_time", anonymous)
    found = report(500, 1800.0, PEOPLE, guard=Guard(alpha=0.01), runs=1, equal_runs=100)

    assert found.false_alarms > 0.05


@pytest.mark.parametrize("share_bp", [500, 5000])
def test_at_the_very_edge_of_what_is_tolerated_alarms_stay_below_alpha(share_bp: int) -> None:
    """The worst case, so that the figure is not 0: the ratio tolerated is 1, and both versions fail alike."""
    traffic = Traffic(100, 0.01, 0.01)
    found = report(share_bp, 900.0, traffic, guard=Guard(alpha=0.2, ratio=1.0), runs=1, equal_runs=400)

    assert 0 < found.false_alarms <= 0.2


HORIZON_S = 7200.0

weights = st.builds(
    WeightStep,
    weight_bp=st.sampled_from([1, 100, 2500, 5000, 9999, 10_000]),
    for_s=st.sampled_from([0.0, 0.5, 60.0, 3600.0]),
    min_requests=st.sampled_from([0, 1, 50, 5000]),
)
shadows = st.builds(ShadowStep, st.sampled_from([1, 10_000]), st.sampled_from([0.0, 60.0]), st.sampled_from([0, 50]))
CHECKS = (
    Check("errors", metric="error_rate", max=0.01),
    Check("p99", metric="latency_p99", max_ratio=1.3),
    Check("orders", prometheus=PrometheusQuery("http://127.0.0.1:9090", "up"), min=0.9),
)
plans = st.builds(
    RolloutPlan,
    strategy=st.sampled_from(["canary", "canary", "canary", "blue_green", "rolling", "shadow"]),
    steps=st.lists(st.one_of(weights, shadows, st.just(GateStep())), max_size=4).map(tuple),
    checks=st.lists(st.sampled_from(CHECKS), max_size=2, unique=True).map(tuple),
    interval_s=st.sampled_from([60.0, 600.0]),
    freeze=st.sampled_from([(), (FreezeWindow(0, 9000),)]),
    guard=st.builds(
        Guard,
        alpha=st.sampled_from([1e-6, 0.01, 0.9]),
        ratio=st.sampled_from([0.1, 1.0, 10.0]),
        min_failures=st.sampled_from([1, 3, 100]),
        action=st.sampled_from(["rollback", "pause"]),
    ),
    deadline_s=st.sampled_from([0.0, 5.0, 3700.0]),
    on_deadline=st.sampled_from(["rollback", "pause"]),
)
traffics = st.builds(
    Traffic,
    rps=st.sampled_from([0.001, 1.0, 1000.0, 1e6]),
    stable_errors=st.sampled_from([0.0, 0.001, 1.0]),
    candidate_errors=st.sampled_from([0.0, 0.01, 1.0]),
    onset_s=st.sampled_from([0.0, 30.0, 5000.0]),
    quiet_rps=st.sampled_from([None, 0.001]),
    stable_latency_s=st.sampled_from([0.0, 0.1]),
    candidate_latency_s=st.sampled_from([0.05, 2.0]),
    outage=st.sampled_from([None, Spell(20.0, 90.0, 0.5)]),
    sources_down_s=st.sampled_from([None, (50.0, 300.0)]),
    users=st.sampled_from([0, 0, 200]),
).map(lambda traffic: traffic if traffic.rps <= 1 else replace(traffic, users=0))  # each failure of known users takes its time


@settings(max_examples=60)
@given(plans, traffics, st.sampled_from(["pass", "hold"]), st.integers(0, 99))
def test_whatever_the_plan_a_rollout_ends_and_keeps_to_it(plan: RolloutPlan, traffic: Traffic, gates: Any, seed: int) -> None:
    """Nothing is promoted before the plan's time, past a held gate, or without the requests it asks for."""
    ending = play(plan, traffic, Random(seed), gates=gates, cause="reset", horizon_s=HORIZON_S)
    steps = [step for step in plan.steps if not isinstance(step, GateStep)]
    weighted = [step for step in steps if isinstance(step, WeightStep)]

    assert 0 <= ending.candidate_failures <= ending.candidate_requests
    assert ending.at_s <= HORIZON_S + 1.0
    assert ending.users_hurt <= max(ending.candidate_failures, 0)
    if plan.strategy == "shadow":
        assert "promoted" != ending.end
        assert 0 == ending.candidate_requests
    elif plan.strategy != "canary":
        assert "shadowed" != ending.end
    elif ending.end == "promoted":
        assert gates == "pass" or len(steps) == len(plan.steps)
        assert ending.at_s >= sum(step.for_s for step in steps) - 1e-6
        assert ending.candidate_requests >= sum(max(1, step.min_requests) for step in weighted)
    else:
        assert ending.why
