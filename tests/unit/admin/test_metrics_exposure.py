"""The blast radius as gauges."""

from __future__ import annotations

import asyncio

from proxy.admin.metrics_exposure import exposure
from proxy.model.service import Sticky
from proxy.telemetry.snapshot import Reached
from tests.kit.control_bench import Bench, bench, intent, service


def samples(b: Bench) -> dict[str, float]:
    return {s.name: s.value for family in exposure(b.control) for s in family.samples if s.labels == {"service": "shop"}}


def test_a_service_without_a_rollout_has_none() -> None:
    async def story() -> None:
        async with bench() as b:
            assert {} == samples(b)

    asyncio.run(story())


def test_users_that_nobody_knows_have_no_sample() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.report(b.cell("v2", ok=2, bad=1))

            assert {
                "headgate_rollout_candidate_requests": 3,
                "headgate_rollout_candidate_errors": 1,
                "headgate_rollout_saved_by_fallback": 0,
            } == samples(b)

    asyncio.run(story())


def test_known_users_and_the_time_it_was_exposed_are_there() -> None:
    async def story() -> None:
        async with bench(intent(service(sticky=Sticky("cookie", "session")))) as b:
            await b.control.command("shop", "start", by="local", to="v2")
            cell = b.cell("v2", ok=2, bad=1)
            cell.reached = Reached(met=[1, 2], hurt=[2], first_failed_ago_s=0.5, last_began_ago_s=0.25)
            await b.report(cell)
            found = samples(b)

            assert (2, 1, 0.25) == tuple(
                found[f"headgate_rollout_{name}"] for name in ("candidate_users", "users_with_errors", "exposed_seconds")
            )

    asyncio.run(story())
