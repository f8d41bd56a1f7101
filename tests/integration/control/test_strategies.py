"""Whole rollouts through a real control loop, strategy by strategy: what workers are told, and what the history says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy.model.intent import Intent
from proxy.model.position import Phase
from proxy.model.rollout import Rolling, RolloutPlan, ShadowStep
from proxy.model.service import Endpoint, Shadow, Version
from proxy.telemetry.snapshot import EndpointState, ShadowDelta
from tests.kit.control_bench import Bench, bench, intent, service

pytestmark = pytest.mark.asyncio

PORTS = (9001, 9002, 9003)
PREVIEWED = RolloutPlan(strategy="blue_green", steps=(), interval_s=2.0)
BATCHES = RolloutPlan(
    strategy="rolling", steps=(), drain_s=5.0, rolling=Rolling(min_ready_s=2.0, slow_start_s=0.0, ready_timeout_s=8.0)
)


def shop(plan: RolloutPlan, ports: tuple[int, ...] = PORTS, **more: Any) -> Intent:
    """v1 on three endpoints, v2 on ``ports``."""
    versions = tuple(Version(name, tuple(Endpoint("127.0.0.1", port) for port in own)) for name, own in (("v1", PORTS), ("v2", ports)))
    return intent(replace(service(), versions=versions, rollout=plan, **more))


async def seconds(b: Bench, count: int, ill: tuple[int, ...] = (), busy: tuple[int, ...] = ()) -> None:
    """Time passes, a report a second, with a state of every endpoint."""
    for _ in range(count):
        b.clock.advance(1.0)
        states = [
            EndpointState("shop", v.name, e.label, active=int(e.port in busy), healthy=not (v.name == "v2" and e.port in ill))
            for v in b.control.intent.services[0].versions
            for e in v.endpoints
        ]
        await b.report(endpoints=states)


def kinds(b: Bench) -> list[str]:
    """The history, oldest first."""
    return [line.removeprefix("decide ") for line in b.journal if line.startswith("decide ")]


def serving(b: Bench) -> dict[str, list[int]]:
    """The ports that get requests, by version with weight."""
    plan = b.plan().services[0]
    return {
        version.name: [e.port for e in version.endpoints if (version.name, e.label) not in plan.standby]
        for version, weight in zip(plan.versions, plan.weights, strict=True)
        if weight
    }


async def test_blue_green_switches_when_the_candidate_has_been_healthy() -> None:
    async with bench(shop(PREVIEWED, (9011,))) as b:
        await b.target("v2")
        await seconds(b, 3, ill=(9011,))
        assert {"v1": 10_000} == b.weights()
        await seconds(b, 3)

        assert (Phase.STABLE, "v2", "v1") == (b.position().phase, b.position().stable, b.position().previous)
        assert ["first", "started", "promoting", "promoted"] == ["first", *kinds(b)]


async def test_undo_of_a_young_switch_is_another_one() -> None:
    async with bench(shop(PREVIEWED, (9011,))) as b:
        await b.target("v2")
        await seconds(b, 3)
        await b.control.command("shop", "undo", by="ann")

        assert ("v1", {"v1": 10_000}) == (b.position().stable, b.weights())
        assert ["switching", "promoted"] == kinds(b)[-2:]


async def test_rolling_takes_one_endpoint_after_the_other_and_never_more_out() -> None:
    async with bench(shop(BATCHES)) as b:
        await b.target("v2")
        seen = [serving(b)]
        for _ in range(40):
            await seconds(b, 1)
            if seen[-1] != serving(b):
                seen.append(serving(b))
            if b.position().phase is Phase.STABLE:
                break

        assert [
            {"v1": [9001, 9002, 9003]},
            {"v1": [9002, 9003]},
            {"v1": [9002, 9003], "v2": [9001]},
            {"v1": [9003], "v2": [9001]},
            {"v1": [9003], "v2": [9001, 9002]},
            {"v2": [9001, 9002]},
            {"v2": [9001, 9002, 9003]},
        ] == seen
        assert ("v2", Phase.STABLE) == (b.position().stable, b.position().phase)


async def test_an_endpoint_that_does_not_become_ready_pauses_a_rolling_rollout() -> None:
    async with bench(shop(BATCHES)) as b:
        await b.target("v2")
        await seconds(b, 20, ill=(9001,))

        assert (Phase.PAUSED, "127.0.0.1:9001 of v2 was not ready within 8 s") == (b.position().phase, b.position().reason)
        assert {"v1": [9002, 9003]} == serving(b)


async def test_a_restart_in_the_middle_of_a_batch_goes_on_with_it() -> None:
    kept: dict[str, Any] = {}
    async with bench(shop(BATCHES)) as b:
        await b.target("v2")
        while b.position().part != "ready":
            await seconds(b, 1)
        kept = dict(b.store.positions)
        before = b.position()
        configured = b.control.intent
    async with bench(configured, kept) as b:
        assert (before.part, before.moved, before.coming) == (b.position().part, b.position().moved, b.position().coming)
        assert {"v1": [9002, 9003]} == serving(b)
        await seconds(b, 40)

        assert "v2" == b.position().stable


async def test_a_shadow_rollout_counts_as_ended_and_its_target_is_left_alone() -> None:
    plan = RolloutPlan(strategy="shadow", steps=(ShadowStep(2000, for_s=2.0),))
    async with bench(shop(plan, (9011,), shadow=Shadow(compare=False))) as b:
        await b.target("v2")
        for _ in range(3):
            b.clock.advance(1.0)
            await b.report(shadows=[ShadowDelta("shop", "v2", sampled=9, results={"match": 9})])

        assert (Phase.STABLE, "v1", "") == (b.position().phase, b.position().stable, b.position().candidate)
        assert {("shop", "shadowed"): 1} == b.control.rollouts_ended
        await b.target("v2", digest="d3")
        assert ["started", "shadowed"] == kinds(b)
