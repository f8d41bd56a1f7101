"""One rollout on the leaping clock: when it ends, how, and that leaping skips nothing that could have decided."""

from __future__ import annotations

import math
import re
from random import Random
from typing import Any

import pytest

from proxy.analysis.judge import Judge
from proxy.model.rollout import (
    Check,
    FreezeWindow,
    GateStep,
    Guard,
    Hook,
    PrometheusQuery,
    Rolling,
    RolloutPlan,
    ShadowStep,
    WeightStep,
)
from proxy.simulation import play as module
from proxy.simulation.leaps import Needed
from proxy.simulation.play import REPORT_S, Ending, play
from proxy.simulation.traffic import Spell, Traffic

DAY_S = 86_400.0
GOOD = Traffic(rps=100.0, stable_errors=0.0, candidate_errors=0.0)
BROKEN = Traffic(rps=100.0, stable_errors=0.0, candidate_errors=1.0, onset_s=100.0)
THREE = (WeightStep(500, 300.0), WeightStep(2500, 300.0), WeightStep(5000, 300.0))


def played(plan: RolloutPlan, traffic: Traffic, seed: int = 1, **changed: Any) -> Ending:
    """A rollout with gates passed, status_5xx and a day's horizon, unless told otherwise."""
    return play(plan, traffic, Random(seed), **{"gates": "pass", "cause": "status_5xx", "horizon_s": DAY_S, **changed})


def test_a_good_candidate_is_promoted_after_the_time_of_the_plan() -> None:
    ending = played(RolloutPlan(steps=THREE), GOOD)

    assert ("promoted", 900.0, False, 0) == (ending.end, ending.at_s, ending.by_guard, ending.candidate_failures)


def test_a_plan_without_steps_promotes_at_once() -> None:
    assert ("promoted", 0.0) == (lambda e: (e.end, e.at_s))(played(RolloutPlan(steps=()), BROKEN))


def test_a_minimum_of_requests_is_waited_for() -> None:
    """10,000 requests at 5 a second, after the step's own 60 s."""
    ending = played(RolloutPlan(steps=(WeightStep(500, 60.0, 10_000),)), GOOD)

    assert ending.at_s == pytest.approx(2000, rel=0.05)
    assert 10_000 <= ending.candidate_requests <= 10_050


def test_a_broken_candidate_is_rolled_back_by_the_guard_soon_after_its_onset() -> None:
    ending = played(RolloutPlan(steps=THREE), BROKEN)

    assert ("rolled_back", True, True) == (ending.end, ending.by_guard, 100.0 < ending.at_s < 103.0)
    assert "the candidate fails more than" in ending.why


def test_the_look_comes_after_the_failure_that_decides() -> None:
    ending = played(RolloutPlan(steps=THREE), BROKEN)

    assert ending.at_s > 100.0 + REPORT_S


def test_an_onset_after_the_promotion_is_not_met() -> None:
    ending = played(RolloutPlan(steps=(WeightStep(500, 60.0),)), BROKEN)

    assert ("promoted", 0) == (ending.end, ending.candidate_failures)


def test_a_guard_that_pauses_ends_the_simulation_paused() -> None:
    ending = played(RolloutPlan(steps=THREE, guard=Guard(action="pause")), BROKEN)

    assert ("paused", True) == (ending.end, ending.by_guard)


def test_a_guard_that_pauses_at_a_gate_ends_the_simulation_paused() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 60.0), GateStep()), guard=Guard(action="pause"))
    ending = played(plan, BROKEN, gates="hold")

    assert ("paused", True) == (ending.end, ending.by_guard)


def test_gates_are_passed_at_once() -> None:
    plan = RolloutPlan(steps=(GateStep(), WeightStep(500, 60.0), GateStep(), GateStep(), WeightStep(5000, 60.0)))

    assert ("promoted", 120.0) == (lambda e: (e.end, e.at_s))(played(plan, GOOD))


def test_a_held_gate_holds_until_the_horizon_and_says_what_it_waits_for() -> None:
    ending = played(RolloutPlan(steps=(WeightStep(500, 60.0), GateStep())), GOOD, gates="hold", horizon_s=3600.0)

    assert ("held", 3600.0, "a person: gate after step 1") == (ending.end, ending.at_s, ending.why)


def test_the_guard_is_on_at_a_held_gate() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 60.0), GateStep()))
    ending = played(plan, BROKEN, gates="hold")

    assert ("rolled_back", True, True) == (ending.end, ending.by_guard, ending.at_s < 110.0)


@pytest.mark.parametrize(("on_deadline", "end"), [("rollback", "rolled_back"), ("pause", "paused")])
def test_a_deadline_ends_a_rollout_without_the_guard(on_deadline: Any, end: str) -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 60.0, 10**9),), deadline_s=600.0, on_deadline=on_deadline)
    ending = played(plan, GOOD)

    assert (end, False, "not promoted within 10m0s") == (ending.end, ending.by_guard, ending.why)
    assert ending.at_s == pytest.approx(600.0, abs=0.2)


def test_too_little_traffic_holds_until_the_horizon() -> None:
    ending = played(RolloutPlan(steps=(WeightStep(100, 60.0, 1000),)), Traffic(0.1, 0.0, 0.0), horizon_s=7200.0)

    assert ("held", True) == (ending.end, "of 1000 candidate requests" in ending.why)


def test_a_cause_that_the_guard_does_not_count_is_not_caught() -> None:
    ending = played(RolloutPlan(steps=THREE), BROKEN, cause="no_endpoint")

    assert ("promoted", True) == (ending.end, ending.candidate_failures > 1000)


def test_at_everything_there_is_no_evidence() -> None:
    ending = played(RolloutPlan(steps=(WeightStep(10_000, 200.0),)), BROKEN)

    assert ("promoted", False) == (ending.end, ending.by_guard)


def test_the_same_chance_plays_the_same_rollout() -> None:
    traffic = Traffic(1000.0, 0.01, 0.03, onset_s=30.0, quiet_rps=200.0)

    assert played(RolloutPlan(), traffic, 9) == played(RolloutPlan(), traffic, 9)


def test_a_rollout_costs_few_looks_however_many_requests_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """2.4 million candidate requests, 2,400 of them failed: what makes a thousand rollouts a matter of seconds."""
    looks: list[int] = []
    verdict = Judge.verdict
    monkeypatch.setattr(Judge, "verdict", lambda *args: looks.append(1) or verdict(*args))
    ending = played(RolloutPlan(steps=THREE), Traffic(10_000.0, 0.001, 0.001))

    assert ("promoted", True) == (ending.end, len(looks) < 60)


# ---- what a plan may have beside weights -----------------------------------------------------------------------------------------

SOURCE = Check("orders", prometheus=PrometheusQuery("http://127.0.0.1:9090", "up"), min=0.9)


def test_a_slow_candidate_is_rolled_back_by_the_guard() -> None:
    ending = played(RolloutPlan(steps=THREE), Traffic(100.0, 0.001, 0.001, stable_latency_s=0.1, candidate_latency_s=0.3))

    assert ("rolled_back", True, True) == (ending.end, ending.by_guard, ending.at_s < 120.0)
    assert "the candidate is slow more than 3 times as often as stable" in ending.why
    assert ending.late > 10


def test_a_slow_candidate_of_a_guard_that_judges_no_latency_is_promoted() -> None:
    plan = RolloutPlan(steps=THREE, guard=Guard(slow_over_s=None))

    assert "promoted" == played(plan, Traffic(100.0, 0.001, 0.001, stable_latency_s=0.1, candidate_latency_s=0.3)).end


def test_with_little_traffic_nobody_knows_what_is_slow() -> None:
    """1,000 answers in five minutes are asked for; two requests a second have 600."""
    ending = played(RolloutPlan(steps=THREE), Traffic(2.0, 0.0, 0.0, stable_latency_s=0.1, candidate_latency_s=1.0))

    assert "promoted" == ending.end


def test_a_check_of_the_error_rate_rolls_back_what_the_guard_tolerates() -> None:
    """1.35 times stable's errors is within its ratio, and still over the limit, which stable keeps to."""
    plan = RolloutPlan(steps=THREE, checks=(Check("errors", metric="error_rate", max=0.01),))
    ending = played(plan, Traffic(1000.0, 0.0095, 0.0128))

    assert ("rolled_back", True) == (ending.end, ending.by_guard)
    assert ending.why.startswith("check errors failed 3 times in 300 s: error_rate")


def test_a_check_that_both_versions_fail_alike_holds() -> None:
    plan = RolloutPlan(steps=THREE, checks=(Check("errors", metric="error_rate", max=0.01),))

    assert "held" == played(plan, Traffic(100.0, 0.02, 0.02)).end


def test_a_check_of_latency_against_stable_rolls_back() -> None:
    check = Check("p99", metric="latency_p99", max_ratio=1.3)
    plan = RolloutPlan(steps=THREE, checks=(check,), guard=Guard(slow_over_s=None))
    slower = Traffic(1000.0, 0.0, 0.0, stable_latency_s=0.1, candidate_latency_s=0.2)

    assert "check p99 failed 3 times" in played(plan, slower).why
    assert ("promoted", 900.0) == (lambda e: (e.end, e.at_s))(played(plan, slower.equal()))


def test_a_step_does_not_end_before_its_checks_have_data() -> None:
    """500 answers of the candidate are needed for its p99: 100 s at 5 requests a second."""
    plan = RolloutPlan(steps=(WeightStep(500, 10.0),), checks=(Check("p99", metric="latency_p99", max=0.5),))
    ending = played(plan, Traffic(100.0, 0.0, 0.0, stable_latency_s=0.1, candidate_latency_s=0.1))

    assert ("promoted", 110.0) == (ending.end, pytest.approx(ending.at_s, abs=15.0))


def test_a_metric_source_that_is_down_for_a_minute_holds_and_goes_on() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 300.0), WeightStep(2500, 300.0)), checks=(SOURCE,))
    ending = played(plan, Traffic(100.0, 0.0, 0.0, sources_down_s=(280.0, 340.0)))

    assert "promoted" == ending.end
    assert ending.at_s == pytest.approx(640.0, abs=15.0)  # the step that ends at 300 s waits until the source is back


def test_a_held_rollout_says_which_source_it_waits_for() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 60.0),), checks=(SOURCE,))
    ending = played(plan, Traffic(100.0, 0.0, 0.0, sources_down_s=(0.0, 7200.0)), horizon_s=3600.0)

    assert ("held", True) == (ending.end, "check orders: the source cannot be reached" in ending.why)


def test_an_outage_of_both_versions_holds_and_goes_on() -> None:
    """Half of everything fails, from before the step's end to after it: and it is not the candidate's fault."""
    for seed in range(6):
        ending = played(RolloutPlan(steps=THREE), Traffic(100.0, 0.001, 0.001, outage=Spell(240.0, 360.0, 0.5)), seed)

        assert "promoted" == ending.end
        assert 960.0 <= ending.at_s < 1020.0


def test_too_thin_traffic_says_how_many_requests_are_missing_and_when_they_will_be_there() -> None:
    plan = RolloutPlan(steps=(WeightStep(1000, 60.0, 500),))
    ending = played(plan, Traffic(1.0, 0.0, 0.0), horizon_s=1000.0)

    assert "held" == ending.end
    assert re.fullmatch(r"\d+ of 500 candidate requests; 1h\d+m\d+s at the present rate", ending.why), ending.why


def test_hooks_and_remote_gates_are_taken_to_answer_well() -> None:
    hooks = tuple(
        Hook(point, "http://127.0.0.1/") for point in ("before_rollout", "before_step", "before_promotion", "after_promotion")
    )
    gate = GateStep("remote", "http://127.0.0.1/")

    assert ("promoted", 60.0) == (lambda e: (e.end, e.at_s))(
        played(RolloutPlan(steps=(WeightStep(500, 60.0), gate), hooks=hooks), GOOD)
    )


def test_freezes_are_not_met() -> None:
    plan = RolloutPlan(steps=THREE, freeze=(FreezeWindow(0, 7 * 24 * 60 - 1),))

    assert ("promoted", 900.0) == (lambda e: (e.end, e.at_s))(played(plan, GOOD))


def test_a_shadow_step_ends_with_its_time_and_its_copies() -> None:
    plan = RolloutPlan(steps=(ShadowStep(2000, 60.0, 2400), WeightStep(500, 60.0)))
    ending = played(plan, GOOD)

    assert ("promoted", 180.0) == (ending.end, pytest.approx(ending.at_s, abs=5.0))
    assert ending.candidate_requests == pytest.approx(300, rel=0.3)  # copies are none of them


def test_shadow_alone_ends_as_it_began() -> None:
    assert ("shadowed", 0) == (lambda e: (e.end, e.candidate_requests))(
        played(RolloutPlan(strategy="shadow", steps=(ShadowStep(2000, 60.0),)), BROKEN)
    )


def test_blue_green_switches_when_endpoints_were_healthy_for_an_interval() -> None:
    """Nobody meets the candidate before, so nothing is found of it."""
    ending = played(RolloutPlan(strategy="blue_green", steps=()), BROKEN)

    assert ("promoted", 0, True) == (ending.end, ending.candidate_requests, ending.at_s < 30.0)


ROLLING = RolloutPlan(strategy="rolling", rolling=Rolling(batch=1, min_ready_s=10.0, slow_start_s=20.0))


def test_a_rolling_plan_replaces_endpoint_after_endpoint() -> None:
    """Each drains for some seconds, is ready after ten and has twenty to start; the last one starts at once."""
    two, four = (played(ROLLING, GOOD, endpoints=count) for count in (2, 4))

    assert ("promoted", "promoted") == (two.end, four.end)
    assert (44.0, 108.0) == (pytest.approx(two.at_s, abs=4.0), pytest.approx(four.at_s, abs=8.0))


def test_a_broken_candidate_is_found_while_endpoints_are_replaced() -> None:
    ending = played(ROLLING, Traffic(100.0, 0.0, 1.0), endpoints=4)

    assert ("rolled_back", True, True) == (ending.end, ending.by_guard, ending.at_s < 20.0)


@pytest.mark.parametrize("budget", [Guard(max_errors=50), Guard(max_users_with_errors=50)])
def test_a_budget_is_kept_where_there_is_no_evidence(budget: Guard) -> None:
    ending = played(RolloutPlan(steps=THREE, guard=budget), Traffic(100.0, 0.05, 0.05))

    assert ("rolled_back", 51) == (ending.end, pytest.approx(ending.candidate_failures, abs=1))


# ---- leaping -----------------------------------------------------------------------------------------------------------------


def test_leaping_alarms_as_often_as_looking_after_every_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same plan under a loose guard, 200 rollouts each way: the shares differ by less than three standard errors."""
    plan = RolloutPlan(steps=(WeightStep(5000, 120.0),), guard=Guard(alpha=0.2, ratio=1.0))
    traffic = Traffic(100.0, 0.01, 0.01)

    def alarms(seed: int) -> float:
        chance = Random(seed)
        options: dict[str, Any] = {"gates": "pass", "cause": "reset", "horizon_s": DAY_S}
        return sum(play(plan, traffic, chance, **options).by_guard for _ in range(200)) / 200

    leaping = alarms(1)
    monkeypatch.setattr(module, "needed", lambda *_, slow: Needed(1, math.inf, decided=True))
    walking = alarms(2)

    assert 0.05 < leaping < 0.2
    assert leaping == pytest.approx(walking, abs=3 * math.sqrt(2 * 0.15 * 0.85 / 200))
