"""What is remembered of a rollout beside its position, as the control loop does it."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from proxy.analysis.series import Series
from proxy.control.memory import Memory, checks_of, evidence_of
from proxy.model.position import Phase, Position, Record
from proxy.model.service import Sticky
from proxy.telemetry.snapshot import CellDelta, Reached
from tests.kit.control_bench import Bench, bench, intent, service

SHOP = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=3)


def reached(cell: CellDelta, **of: Any) -> CellDelta:
    cell.reached = Reached(**of)
    return cell


def kept(b: Bench) -> tuple[Series, dict[str, Any]]:
    return b.store.kept_series["shop", b.control.standings["shop"].memory.rollout]


def test_a_running_rollout_has_a_stretch_an_interval_and_one_at_each_decision() -> None:
    async def story() -> None:
        plan = replace(service().rollout, interval_s=2.0)
        async with bench(intent(service(rollout=plan))) as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.after(7, b.cell("v2", ok=5), b.cell("v1", ok=45))
            points = kept(b)[0].points

            ends = [(p.at_s - b.clock.wall() + 7, p.event, p.weight_bp) for p in points]
            assert [(2.0, "", 1000), (4.0, "", 1000), (5.0, "step", 1000), (7.0, "", 5000)] == ends
            counted = b.control.standings["shop"].tally.candidate_requests
            assert counted >= kept(b)[0].rows[1000]["candidate_requests"] > 0
            assert ["failures"] == list(points[0].evidence)[:1]

    asyncio.run(story())


def test_the_end_of_a_rollout_says_whom_it_reached() -> None:
    async def story() -> None:
        async with bench(intent(service(sticky=Sticky("cookie", "session")))) as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.report(reached(b.cell("v2", ok=2, bad=1), met=[1, 2], hurt=[2]))
            await b.control.command("shop", "abort", by="local", reason="x")
            ended = {r.kind: r.figures.get("blast_radius") for r in b.store.history("shop", 10)}

            assert (3, 2, 1) == tuple(ended["rolled_back"][key] for key in ("requests", "users", "users_with_errors"))
            assert (None, None) == (ended["started"], ended["rolling_back"])

    asyncio.run(story())


def test_what_ends_after_the_rollout_is_counted_too() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            late = reached(b.cell("v2", bad=4), unknown=4)
            await b.control.command("shop", "abort", by="local", reason="x")
            b.clock.advance(2.0)
            await b.report(late)

            assert (4, None) == tuple(b.control.standings["shop"].memory.exposure.figures()[key] for key in ("errors", "users"))
            assert 4 == kept(b)[1]["errors"]

    asyncio.run(story())


def test_the_next_rollout_begins_with_nothing() -> None:
    async def story() -> None:
        async with bench() as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.report(b.cell("v2", bad=1))
            await b.control.command("shop", "abort", by="local", reason="x")
            await b.control.command("shop", "retry", by="local")
            memory = b.control.standings["shop"].memory

            assert (2, 0, ()) == (memory.rollout, memory.exposure.requests, memory.recording.series.points)
            assert {("shop", 1), ("shop", 2)} >= b.store.kept_series.keys() >= {("shop", 1)}

    asyncio.run(story())


def test_the_next_process_goes_on_with_what_was_kept() -> None:
    async def story() -> None:
        async with bench() as first:
            await first.control.command("shop", "start", by="local", to="v2")
            await first.report(reached(first.cell("v2", ok=3), met=[1]), first.cell("v1", ok=20))
            await first.control.close()
            positions, series = first.store.positions, first.store.kept_series
        async with bench(kept=positions) as bare:
            assert 0 == bare.control.standings["shop"].memory.exposure.requests
        async with bench(kept=positions, series=series) as second:
            memory = second.control.standings["shop"].memory

            assert (3, {1000: {"candidate_requests": 3, "stable_requests": 20}}) == (
                memory.exposure.requests,
                memory.recording.series.rows,
            )

    asyncio.run(story())


def test_a_store_that_is_busy_is_asked_again() -> None:
    memory = Memory(SHOP, sticky=False)
    memory.count(CellDelta("shop", "v2", 1, rollout=3, requests={200: 1}), SHOP, 1.0)
    resting = replace(SHOP, phase=Phase.ROLLED_BACK)
    before = memory.due(resting, 100.0)
    memory.saved(100.0)

    assert (True, False) == (before, memory.due(resting, 200.0))


def test_a_rollout_whose_process_was_killed_has_something_missing() -> None:
    async def story() -> None:
        plan = replace(service().rollout, interval_s=1.0)
        async with bench(intent(service(rollout=plan, sticky=Sticky("cookie", "session")))) as first:
            await first.control.command("shop", "start", by="local", to="v2")
            await first.after(3, reached(first.cell("v2", ok=3), met=[1]))
            positions, series = dict(first.store.positions), dict(first.store.kept_series)
            await first.control.close()
            closed = dict(first.store.kept_series)
        found = []
        for kept in (series, closed):
            async with bench(intent(service(sticky=Sticky("cookie", "session"))), positions, series=kept) as again:
                figures = again.control.standings["shop"].memory.exposure.figures()
                found.append((figures["incomplete"], figures["users"], figures["users_at_least"]))

        assert [(True, 1, True), (False, 1, False)] == found

    asyncio.run(story())


def test_what_came_in_is_written_every_few_seconds_however_long_a_stretch_is() -> None:
    memory = Memory(SHOP, sticky=False)
    memory.saved(100.0)
    memory.count(CellDelta("shop", "v2", 1, rollout=3, requests={200: 1}), SHOP, 1.0)

    assert [False, True, True] == [memory.due(SHOP, wall) for wall in (104.0, 105.0, 50.0)]


def test_an_exposure_of_a_form_nobody_reads_is_counted_anew() -> None:
    memory = Memory(SHOP, sticky=True, kept=(Series(2.0), {"met": 5}))

    assert (3, 0, 0) == (memory.rollout, memory.exposure.requests, memory.exposure.figures()["users"])


def test_only_the_end_of_its_own_rollout_is_annotated() -> None:
    memory = Memory(SHOP, sticky=False)
    records = [Record("rolled_back", "", {"rollout": 3}), Record("rolled_back", "", {"rollout": 2}), Record("step", "", {"rollout": 3})]

    assert [True, False, False] == ["blast_radius" in record.figures for record in memory.annotated(records)]


def test_evidence_is_told_by_kind() -> None:
    assert [{"failures": 1.0, "slow": 2.0}, {"failures": 3.0}, {}] == [
        evidence_of({"kinds": {"failures": {"log_evidence": 1.0}, "slow": {"log_evidence": 2.0}}}),
        evidence_of({"log_evidence": 3.0}),
        evidence_of({}),
    ]


def test_checks_are_told_in_a_word() -> None:
    assert {"p99": "no_data"} == checks_of({"checks": [{"name": "p99", "result": "no_data", "value": None}]})
