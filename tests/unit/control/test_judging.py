"""What judges say, carried out: slow answers, budgets and checks in a running control loop, on a clock that is told the time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.intent import Intent
from proxy.model.position import Phase
from proxy.model.rollout import Check, Guard, RolloutPlan, WeightStep
from proxy.telemetry.histogram import bucket
from proxy.telemetry.snapshot import CellDelta
from tests.kit.control_bench import Bench, bench, intent, service

pytestmark = pytest.mark.asyncio

STEPS = (WeightStep(weight_bp=1000, for_s=30.0), WeightStep(weight_bp=5000, for_s=30.0))


def releasing(*checks: Check, guard: Guard | None = None, **more: object) -> Intent:
    """A configuration whose rollouts have these checks."""
    plan = RolloutPlan(steps=STEPS, checks=checks, guard=guard or Guard(), **more)  # type: ignore[arg-type]  # the fields of the test
    return intent(service(rollout=plan))


def answers(made: Bench, version: str, count: int, *, at_s: float = 0.02, slow: int = 0, failed: int = 0) -> CellDelta:
    """Drawn requests: ``slow`` of them over the bound in force, and ``failed`` ones."""
    cell = made.cell(version, ok=count - failed, bad=failed)
    return replace(cell, latency={bucket(at_s): count - failed}, draw_slow=slow)


async def begun(made: Bench, stable_answers: int = 2000) -> None:
    """A rollout to v2 begins when stable has answered for a while."""
    await made.report(answers(made, "v1", stable_answers, at_s=0.08))
    await made.target("v2")


def bound(made: Bench) -> float:
    """What counts as slow in the plan that workers have."""
    return made.plan().services[0].slow_over_s


# ---- slow answers ---------------------------------------------------------------------------------------------------------------


async def test_a_step_takes_stables_p99_as_the_bound_of_slow_answers_to_the_workers() -> None:
    async with bench(releasing()) as made:
        await begun(made)

        assert (True, bound(made)) == (0.07 < bound(made) < 0.09, made.position().slow_over_s)


async def test_without_enough_of_stable_no_answer_is_slow_and_the_verdict_says_so() -> None:
    async with bench(releasing()) as made:
        await begun(made, stable_answers=500)
        await made.report(answers(made, "v2", 10))
        verdict = made.control.standings["shop"].verdict

        assert verdict is not None
        assert (0.0, "no answer counts as slow now: too few of stable's were known when the step began") == (
            bound(made),
            verdict.figures["kinds"]["slow"]["note"],
        )


async def test_an_explicit_bound_needs_nothing_known_of_stable() -> None:
    async with bench(releasing(guard=Guard(slow_over_s=0.25))) as made:
        await begun(made, stable_answers=0)

        assert 0.25 == bound(made)


async def test_without_a_slow_stream_workers_compare_nothing() -> None:
    async with bench(releasing(guard=Guard(slow_over_s=None))) as made:
        await begun(made)

        assert 0.0 == bound(made)


async def test_a_slow_candidate_is_rolled_back_when_it_has_had_time_to_warm_up() -> None:
    async with bench(releasing()) as made:
        await begun(made)
        await made.after(20, answers(made, "v2", 20, at_s=0.9, slow=19), answers(made, "v1", 180, slow=2))
        cold = made.position().phase
        await made.after(13, answers(made, "v2", 20, at_s=0.9, slow=19), answers(made, "v1", 180, slow=2))

        assert (Phase.PROGRESSING, Phase.ROLLED_BACK, True) == (
            cold,
            made.position().phase,
            made.position().reason.startswith("the candidate is slow more than 3 times as often as stable"),
        )


async def test_when_both_are_slow_the_rollout_goes_on() -> None:
    async with bench(releasing()) as made:
        await begun(made)
        await made.after(31, answers(made, "v2", 20, at_s=0.9, slow=10), answers(made, "v1", 180, at_s=0.9, slow=90))

        assert (Phase.PROGRESSING, 5000) == (made.position().phase, made.position().weight_bp)


# ---- an outage of both ----------------------------------------------------------------------------------------------------------


async def test_an_outage_of_both_holds_and_is_told_and_afterwards_it_goes_on() -> None:
    async with bench(releasing()) as made:
        await begun(made)
        await made.after(40, answers(made, "v2", 20, failed=19), answers(made, "v1", 180, failed=171))
        held = made.position()

        assert (Phase.PROGRESSING, 1000) == (held.phase, held.weight_bp)
        await made.after(31, answers(made, "v2", 20), answers(made, "v1", 180))
        assert 5000 == made.position().weight_bp


# ---- budgets --------------------------------------------------------------------------------------------------------------------


async def test_a_spent_budget_rolls_back_though_stable_fails_as_often() -> None:
    async with bench(releasing(guard=Guard(max_errors=3))) as made:
        await begun(made)
        await made.report(answers(made, "v2", 20, failed=4), answers(made, "v1", 180, failed=36))

        assert (Phase.ROLLED_BACK, "the candidate failed 4 requests; max_errors allows 3") == (
            made.position().phase,
            made.position().reason,
        )


# ---- checks ---------------------------------------------------------------------------------------------------------------------

SLOWER = Check("p50-vs-stable", metric="latency_p50", max_ratio=1.3)


async def test_a_check_that_fails_holds_the_step_and_then_rolls_back() -> None:
    async with bench(releasing(SLOWER, failure_limit=3)) as made:
        await begun(made)
        cells = answers(made, "v2", 20, at_s=0.06), answers(made, "v1", 180, at_s=0.04)
        await made.after(32, *cells)
        held = made.position()

        assert (Phase.PROGRESSING, 1000) == (held.phase, held.weight_bp)
        await made.after(9, *cells)
        assert Phase.ROLLED_BACK is made.position().phase
        assert made.position().reason.startswith("check p50-vs-stable failed 4 times in 300 s: latency_p50 ")


async def test_a_check_that_passes_lets_the_step_end() -> None:
    async with bench(releasing(SLOWER)) as made:
        await begun(made)
        await made.after(31, answers(made, "v2", 20, at_s=0.04), answers(made, "v1", 180, at_s=0.04))

        assert 5000 == made.position().weight_bp


async def test_too_thin_traffic_holds_and_says_how_many_are_missing_and_when_they_will_be_there() -> None:
    async with bench(releasing(Check("p99", metric="latency_p99", max=0.5))) as made:
        await begun(made)
        await made.after(40, answers(made, "v2", 2), answers(made, "v1", 18))
        verdict = made.control.standings["shop"].verdict

        assert verdict is not None
        assert (
            1000,
            "check p99: latency_p99 needs 500 answers of the candidate and has 60; the other 440 in 220 s at the present rate",
        ) == (
            made.position().weight_bp,
            verdict.figures["holding"][0],
        )


async def test_a_rollback_by_a_check_leaves_its_figures_in_the_history() -> None:
    async with bench(releasing(SLOWER, failure_limit=0)) as made:
        await begun(made)
        await made.after(12, answers(made, "v2", 20, at_s=0.09), answers(made, "v1", 180, at_s=0.04))
        decided = next(r for r in made.store.revisions["shop"] if r.kind == "rolling_back")

        assert [("p50-vs-stable", "fail", 1)] == [(c["name"], c["result"], c["fails"]) for c in decided.figures["checks"]]


async def test_fails_before_a_restart_count_after_it() -> None:
    configured = releasing(SLOWER, failure_limit=1)
    async with bench(configured) as made:
        await begun(made)
        await made.after(12, answers(made, "v2", 20, at_s=0.09), answers(made, "v1", 180, at_s=0.04))
        kept, running = dict(made.store.positions), made.file
    assert isinstance(running, Intent)
    async with bench(running, kept) as again:
        await again.after(12, answers(again, "v2", 20, at_s=0.09), answers(again, "v1", 180, at_s=0.04))

        assert Phase.ROLLED_BACK is again.position().phase
