"""The plan as a function of intent and positions, and its two phases."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.control.publisher import Publisher, build, compared, weights_of
from proxy.errors import PlanRefused
from proxy.model.plan import ServicePlan
from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan, ShadowStep
from proxy.model.service import Health, Shadow
from proxy.shadow.messages import Rules
from proxy.telemetry.cutover import Cutover
from tests.kit.control_bench import PretendedWorkers, intent, service

TRYING = Position("shop", stable="v1", phase=Phase.PROGRESSING, candidate="v2", target="v2", rollout=3, weight_bp=500)


def test_a_candidate_and_stable_share_all_basis_points() -> None:
    plan = build(intent(service("v2")), {"shop": TRYING}, 7).services[0]

    assert ((9500, 500), 3, "v1", "v2") == (plan.weights, plan.rollout, plan.stable, plan.candidate)


ROLLING = replace(TRYING, plan=RolloutPlan(strategy="rolling"), weight_bp=0, endpoints=(1, 1))


def rolled(**fields: Any) -> ServicePlan:
    """The plan of a service whose two versions have an endpoint each."""
    return build(intent(service("v2", fallback=True)), {"shop": replace(ROLLING, **fields)}, 7).services[0]


def test_endpoints_that_are_not_in_service_stand_by() -> None:
    old, new = ("v1", "127.0.0.1:9000"), ("v2", "127.0.0.1:9001")

    assert [(new,), (new,), (old,), ()] == [
        rolled().standby,
        rolled(moving=1, part="ready").standby,
        rolled(moved=1, weight_bp=10_000).standby,
        rolled(phase=Phase.PROMOTING, weight_bp=10_000).standby,
    ]


def test_a_version_whose_endpoints_a_reload_has_taken_gets_nothing() -> None:
    assert [(0, 3333), (6667, 0)] == [rolled(moved=1, weight_bp=3333).weights, rolled(weight_bp=3333).weights]


def test_workers_report_often_while_endpoints_are_drained() -> None:
    assert limits.SNAPSHOT_FAST_S == build(intent(service("v2")), {"shop": ROLLING}, 7).snapshot_interval_s


@pytest.mark.parametrize(
    ("strategy", "fields", "health", "knocked"),
    [
        ("rolling", {}, None, ("v1", "v2")),
        ("blue_green", {}, None, ("v2",)),
        ("canary", {}, None, ()),
        ("rolling", {}, Health("/healthz"), ()),
        ("rolling", {"phase": Phase.ROLLED_BACK}, None, ()),
    ],
)
def test_versions_that_a_rollout_goes_by_are_knocked_at_where_no_health_check_is_configured(
    strategy: Any, fields: dict[str, Any], health: Health | None, knocked: tuple[str, ...]
) -> None:
    position = replace(ROLLING, plan=RolloutPlan(strategy=strategy), **fields)

    assert knocked == build(intent(service("v2", health=health)), {"shop": position}, 7).services[0].knock


def test_endpoints_that_take_over_start_slowly() -> None:
    assert [0.0, 30.0] == [version.slow_start_s for version in rolled().versions]


@pytest.mark.parametrize(("fields", "fallback"), [({}, True), ({"moved": 1, "weight_bp": 10_000}, False)])
def test_nothing_falls_back_on_a_version_without_an_endpoint_in_service(fields: dict[str, int], fallback: bool) -> None:
    assert fallback is rolled(**fields).fallback


def test_a_fixed_split_keeps_the_weights_as_given() -> None:
    split = replace(service(), target="", traffic=(("v2", 5.0), ("v1", 95.0)))
    plan = build(intent(split), {}, 1).services[0]

    assert ((95.0, 5.0), 0, "") == (plan.weights, plan.rollout, plan.candidate)


def test_a_rolled_back_candidate_is_no_candidate_in_the_plan() -> None:
    plan = build(intent(service("v2")), {"shop": replace(TRYING, phase=Phase.ROLLED_BACK, weight_bp=0)}, 7).services[0]

    assert ((10_000, 0), 0, "") == (plan.weights, plan.rollout, plan.candidate)


def test_a_candidate_at_promotion_has_everything() -> None:
    assert {"v2": 10_000} == weights_of(replace(TRYING, phase=Phase.PROMOTING, weight_bp=10_000))


@pytest.mark.parametrize(
    ("weight_bp", "expected"), [(0, limits.SNAPSHOT_SLOW_S), (1, limits.SNAPSHOT_FAST_S), (10_000, limits.SNAPSHOT_FAST_S)]
)
def test_workers_report_fast_while_a_candidate_has_weight(weight_bp: int, expected: float) -> None:
    plan = build(intent(service("v2")), {"shop": replace(TRYING, weight_bp=weight_bp)}, 7)

    assert expected == plan.snapshot_interval_s


class Two:
    """A publisher over two workers that serve generation 1."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.workers = PretendedWorkers(self.journal)
        self.replaced: list[int] = []
        self.publisher = Publisher(self.workers, lambda slot, why: self.replaced.append(slot))
        self.publisher.install(self.plan(1))

    def plan(self, generation: int):  # type: ignore[no-untyped-def]  # a RoutePlan, from build
        return build(intent(workers=2), {"shop": Position("shop", "v1")}, generation)

    async def up(self) -> None:
        await self.publisher.bring_up({0, 1})
        self.journal.clear()


@pytest.mark.asyncio
async def test_a_plan_that_one_worker_refuses_is_taken_by_none() -> None:
    two = Two()
    await two.up()
    two.workers.refusing = {1: "route 3: bad regex"}
    with pytest.raises(PlanRefused, match="worker 1: route 3: bad regex"):
        await two.publisher.prepare(two.plan(2))

    assert (["prepare 2", "abandon 2"], 1, {0, 1}) == (two.journal, two.publisher.generation, two.publisher.serving)


@pytest.mark.asyncio
async def test_a_worker_that_does_not_compile_in_time_is_replaced_and_the_others_go_on() -> None:
    two = Two()
    await two.up()
    two.workers.silent = {1}
    await two.publisher.prepare(two.plan(2))
    await two.publisher.commit()

    assert ([1], [1], {0}, 2) == (two.workers.replaced, two.replaced, two.publisher.serving, two.publisher.generation)


@pytest.mark.asyncio
async def test_a_plan_that_no_worker_compiles_in_time_is_refused_and_all_are_replaced() -> None:
    two = Two()
    await two.up()
    two.workers.silent = {0, 1}
    with pytest.raises(PlanRefused, match="no worker compiled it"):
        await two.publisher.prepare(two.plan(2))

    assert ([0, 1], 1) == (two.workers.replaced, two.publisher.generation)


@pytest.mark.asyncio
async def test_a_worker_that_does_not_commit_in_time_is_replaced_rather_than_left_on_the_old_plan() -> None:
    two = Two()
    await two.up()
    await two.publisher.prepare(two.plan(2))
    two.workers.silent = {0}
    await two.publisher.commit()

    assert ([0], {1}) == (two.workers.replaced, two.publisher.serving)


@pytest.mark.asyncio
async def test_an_abandoned_plan_is_forgotten_by_those_who_prepared_it() -> None:
    two = Two()
    await two.up()
    await two.publisher.prepare(two.plan(2))
    two.publisher.abandon()

    assert (["prepare 2", "abandon 2"], 1) == (two.journal, two.publisher.generation)


@pytest.mark.asyncio
async def test_a_fresh_worker_takes_the_plan_in_force() -> None:
    two = Two()
    await two.up()
    two.publisher.down(1)
    await two.publisher.bring_up({1})

    assert (["prepare 1", "commit 1"], {0, 1}) == (two.journal, two.publisher.serving)


@pytest.mark.asyncio
async def test_a_plan_without_a_switch_holds_nobody_up() -> None:
    two = Two()
    await two.up()
    await two.publisher.prepare(two.plan(2))

    assert ({}, ["prepare 2", "commit 2"]) == (await two.publisher.commit(), two.journal)


@pytest.mark.asyncio
async def test_a_switch_is_committed_between_the_agreement_and_the_end_of_its_barrier() -> None:
    two = Two()
    await two.up()
    two.workers.cutovers = {slot: (Cutover("shop", held=2, hold_s_max=0.001 * slot),) for slot in (0, 1)}
    await two.publisher.prepare(two.plan(2), ("shop",))
    seen = await two.publisher.commit()

    assert ["prepare 2 shop", "hold 2 on 0, 1", "agree", "commit 2", "lower"] == two.journal
    assert (4, 0.001) == (seen["shop"].held, seen["shop"].hold_s_max)


@pytest.mark.asyncio
async def test_a_worker_that_does_not_hold_does_not_get_to_commit() -> None:
    two = Two()
    await two.up()
    await two.publisher.prepare(two.plan(2), ("shop",))
    two.workers.silent = {1}
    await two.publisher.commit()

    assert ([1], {0}, 2) == (two.workers.replaced, two.publisher.serving, two.publisher.generation)


@pytest.mark.asyncio
async def test_a_switch_that_no_worker_saw_is_told_all_the_same() -> None:
    two = Two()
    await two.publisher.prepare(two.plan(2), ("shop",))

    assert {"shop": Cutover("shop")} == await two.publisher.commit()


@pytest.mark.parametrize(("phase", "expected"), [(Phase.PROGRESSING, True), (Phase.PROMOTING, False)])
def test_a_version_that_was_given_everything_is_not_answered_for_by_the_old_one(phase: Phase, expected: bool) -> None:
    position = replace(TRYING, phase=phase, weight_bp=10_000)
    plan = build(intent(service("v2", fallback=True)), {"shop": position}, 7).services[0]

    assert expected == plan.fallback


SHADOWING = replace(TRYING, phase=Phase.SHADOWING, weight_bp=0, plan=RolloutPlan(steps=(ShadowStep(percent_bp=2000),)))


def test_a_shadow_step_is_in_the_plan_and_gives_the_candidate_nothing() -> None:
    plan = build(intent(service("v2")), {"shop": SHADOWING}, 7, "there").services[0]

    assert ((10_000, 0), Shadow("v2", percent_bp=2000)) == (plan.weights, plan.shadow)


def test_a_comparer_is_in_the_plan_only_when_answers_are_compared() -> None:
    plans = [build(intent(service("v2")), {"shop": position}, 7, "there") for position in (TRYING, SHADOWING)]

    assert ["", "there"] == [plan.comparer for plan in plans]


def test_what_is_compared_are_the_services_that_have_a_shadow() -> None:
    other = replace(service("v2"), name="other", shadow=Shadow("v2", compare=False))
    positions = {"shop": SHADOWING, "other": replace(TRYING, service="other")}

    assert compared(intent(service("v2"), other), positions) == {"shop": Rules("v2", rollout=3)}
