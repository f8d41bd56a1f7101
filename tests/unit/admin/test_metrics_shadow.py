"""What became of copies, as metrics."""

from __future__ import annotations

import asyncio

from proxy.admin.metrics_shadow import shadows
from proxy.telemetry.snapshot import ShadowDelta
from tests.kit.control_bench import Bench, bench


def samples(b: Bench) -> dict[tuple[str, ...], float]:
    found = {}
    for family in shadows(b.control):
        for s in family.samples:
            assert (s.labels.pop("service"), s.labels.pop("version")) == ("shop", "v2")
            found[s.name.removeprefix("headgate_shadow_"), *s.labels.values()] = s.value
    return found


def test_a_version_that_never_got_copies_has_none() -> None:
    async def story() -> None:
        async with bench() as b:
            assert {} == samples(b)

    asyncio.run(story())


def test_results_and_drops_add_up_to_what_was_sampled() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.report(shadows=[ShadowDelta("shop", "v2", 10, {"match": 3, "error": 1}, {"in_flight": 2}, 4)])
            await b.report(shadows=[ShadowDelta("shop", "v2", 0, {"mismatch": 2}, {"comparer": 1}, 1)])

            assert {
                ("requests_total", "match"): 3,
                ("requests_total", "mismatch"): 2,
                ("requests_total", "error"): 1,
                ("requests_total", "dropped"): 3,
                ("dropped_total", "in_flight"): 2,
                ("dropped_total", "comparer"): 1,
                ("sampled_total",): 10,
                ("in_flight",): 1,
            } == samples(b)

    asyncio.run(story())


def test_a_version_that_is_not_configured_has_no_series() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.report(shadows=[ShadowDelta("shop", "v9", 10)])

            assert {} == samples(b)

    asyncio.run(story())
