"""Other tools' rules over whole rollouts: when they act, on what they see of the traffic."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.simulation.play import Ending
from proxy.simulation.policies import POLICIES, Argo, policy
from proxy.simulation.rehearsal import rehearse
from proxy.simulation.traffic import Spell, Traffic

PLAN = RolloutPlan(steps=(WeightStep(500, 600.0), WeightStep(2500, 600.0), WeightStep(5000, 600.0)))
GOOD = Traffic(1000.0, 0.001, 0.001, stable_latency_s=0.1, candidate_latency_s=0.1)
BROKEN = Traffic(1000.0, 0.001, 1.0)


def rehearsed(name: str, traffic: Traffic, seed: int = 1, plan: RolloutPlan = PLAN, **changed: Any) -> Ending:
    return rehearse(policy(name, plan), traffic, Random(seed), **{"gates": "pass", "horizon_s": 86_400.0, **changed})


@pytest.mark.parametrize("name", POLICIES)
def test_a_good_candidate_is_promoted_in_about_the_time_of_the_plan(name: str) -> None:
    ending = rehearsed(name, GOOD)

    assert ("promoted", False, "") == (ending.end, ending.by_guard, ending.why)
    assert 1400 < ending.at_s <= 1800


@pytest.mark.parametrize(
    ("name", "seconds"), [("flagger", (660, 740)), ("flagger-tuned", (115, 160)), ("argo", (960, 960)), ("argo-tuned", (120, 120))]
)
def test_a_broken_candidate_is_rolled_back_when_the_rules_say(name: str, seconds: tuple[float, float]) -> None:
    """Flagger: a tick gives weight, one each counts a failed check, and one acts. Argo: a delay, then one more than the limit."""
    endings = [rehearsed(name, BROKEN, seed) for seed in range(20)]

    assert {("rolled_back", True)} == {(ending.end, ending.by_guard) for ending in endings}
    assert all(seconds[0] <= ending.at_s <= seconds[1] for ending in endings), [ending.at_s for ending in endings]


def test_argo_aborts_forty_seconds_into_an_outage_of_the_metrics() -> None:
    """With the interval at 30 s, the first measurement in the outage is due at most that long after its beginning."""
    rules = policy("argo-tuned", PLAN)
    assert isinstance(rules, Argo)
    strict = replace(rules, metrics=tuple(replace(metric, error_limit=4) for metric in rules.metrics))
    traffic = Traffic(1000.0, 0.001, 0.001, sources_down_s=(600.0, 660.0))
    ending = rehearse(strict, traffic, Random(1), gates="pass", horizon_s=1e5)

    assert ("rolled_back", True) == (ending.end, 640.0 <= ending.at_s <= 670.0)


def test_argo_bears_an_outage_that_its_limit_allows() -> None:
    assert "promoted" == rehearsed("argo-tuned", Traffic(1000.0, 0.001, 0.001, sources_down_s=(600.0, 660.0))).end


@pytest.mark.parametrize("name", ["flagger-tuned", "argo-tuned"])
def test_an_outage_of_both_versions_is_taken_for_the_candidate_s(name: str) -> None:
    assert "rolled_back" == rehearsed(name, Traffic(1000.0, 0.001, 0.001, outage=Spell(600.0, 780.0, 0.5))).end


@pytest.mark.parametrize("name", ["flagger", "flagger-tuned", "argo-tuned"])
def test_late_answers_fail_where_latency_is_asked_for(name: str) -> None:
    slow = Traffic(1000.0, 0.0, 0.0, stable_latency_s=0.1, candidate_latency_s=0.4)
    ending = rehearsed(name, slow)

    assert ("rolled_back", True) == (ending.end, ending.late > 100)


def test_a_held_gate_is_waited_at_until_the_horizon() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 600.0), GateStep(), WeightStep(5000, 600.0)))

    assert ("held", 7200.0) == (lambda e: (e.end, e.at_s))(rehearsed("argo", GOOD, plan=plan, gates="hold", horizon_s=7200.0))
    assert ("promoted", 1200.0) == (lambda e: (e.end, e.at_s))(rehearsed("argo", GOOD, plan=plan))


def test_the_same_chance_plays_the_same_rollout() -> None:
    assert rehearsed("flagger", BROKEN, 4) == rehearsed("flagger", BROKEN, 4)


def test_users_are_told_when_there_are_any() -> None:
    ending = rehearsed("argo-tuned", Traffic(100.0, 0.0, 0.5, users=1000))

    assert 0 < ending.users_hurt < ending.users < ending.candidate_requests
