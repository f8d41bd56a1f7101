"""One order: counts are judged as they come, commands answered when they are in effect, workers brought up on what is in force."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.control.events import Unable, UnknownName
from proxy.errors import OperatorError, PlanRefused
from proxy.model.position import Phase
from proxy.rollout.machine import IllegalTransition
from proxy.telemetry.snapshot import CellDelta, Snapshot
from tests.kit.control_bench import Bench, bench, intent, service

pytestmark = pytest.mark.asyncio


async def test_a_bad_candidate_is_out_with_the_report_that_shows_it() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))

        assert (Phase.ROLLED_BACK, {"v1": 10_000}) == (b.position().phase, b.weights())


async def test_failures_of_both_alike_roll_nothing_back() -> None:
    async with bench() as b:
        await b.target("v2")
        for _ in range(20):
            b.clock.advance(0.05)
            await b.report(b.cell("v2", ok=5, bad=5), b.cell("v1", ok=45, bad=45))

        assert Phase.PROGRESSING == b.position().phase


async def test_a_good_candidate_goes_through_its_steps_and_is_stable() -> None:
    async with bench() as b:
        await b.target("v2")
        for _ in range(13):
            b.clock.advance(1.0)
            await b.report(b.cell("v2", ok=10), b.cell("v1", ok=10))

        assert ("v2", Phase.STABLE, {"v2": 10_000}) == (b.position().stable, b.position().phase, b.weights())
        assert {("shop", "promoted"): 1} == dict(b.control.rollouts_ended)


async def test_without_reports_no_time_of_a_step_passes() -> None:
    async with bench() as b:
        await b.target("v2")
        b.clock.advance(3600.0)
        await b.report()

        assert limits.OBSERVED_GAP_S_MAX == b.position().step_elapsed_s


async def test_counts_of_an_earlier_rollout_are_not_the_candidates() -> None:
    async with bench() as b:
        await b.target("v2")
        stale = b.cell("v2", bad=50)
        await b.control.command("shop", "abort", by="local")
        await b.control.command("shop", "retry", by="local")
        await b.report(stale)

        assert (Phase.PROGRESSING, 2) == (b.position().phase, b.position().rollout)


async def test_progress_is_kept_once_a_second() -> None:
    async with bench() as b:
        await b.target("v2")
        for _ in range(30):
            b.clock.advance(0.125)
            await b.report(b.cell("v2", ok=1))

        assert 3 == b.store.progressed


async def test_a_command_is_in_effect_when_it_is_answered() -> None:
    async with bench() as b:
        await b.control.command("shop", "start", by="token", to="v2")

        assert ({"v1": 9000, "v2": 1000}, "token") == (b.weights(), b.store.revisions["shop"][-1].by)


@pytest.mark.parametrize(
    ("name", "verb", "to", "error", "text"),
    [
        ("nosuch", "pause", "", UnknownName, "there is shop, split"),
        ("shop", "start", "v9", UnknownName, "it has v1, v2"),
        ("shop", "start", "", OperatorError, "needs the version"),
        ("shop", "promote", "", IllegalTransition, "possible now: start"),
        ("split", "start", "v2", OperatorError, "fixed traffic split"),
    ],
)
async def test_a_command_that_cannot_be_done_says_what_can(name: str, verb: str, to: str, error: type[Exception], text: str) -> None:
    split = replace(service(name="split"), target="", traffic=(("v1", 1.0),))
    async with bench(intent(service(), split)) as b:
        with pytest.raises(error, match=text):
            await b.control.command(name, verb, by="local", to=to)


async def test_it_is_ready_when_every_worker_serves() -> None:
    async with bench(intent(workers=2), up=False) as b:
        none = b.control.unready()
        await b.up(0)
        half = b.control.unready()
        await b.up(1)

        assert ("worker 0, 1 of 2", "worker 1 of 2", "", True) == (
            none[:16],
            half[:13],
            b.control.unready(),
            b.control.serving.is_set(),
        )


async def test_it_is_not_ready_while_a_worker_is_down_and_ready_again_with_the_next() -> None:
    async with bench() as b:
        b.control.worker_down(0, "ended by SIGKILL", expected=False)
        down = b.control.unready()
        await b.up(0)

        assert (True, "", 1) == (bool(down), b.control.unready(), b.control.worker_restarts)


async def test_it_is_not_ready_while_draining() -> None:
    async with bench() as b:
        b.control.draining = True

        assert "draining" == b.control.unready()


async def test_a_worker_that_ended_as_it_should_is_no_restart() -> None:
    async with bench() as b:
        b.control.worker_down(0, "ended with exit code 0", expected=True)

        assert 0 == b.control.worker_restarts


async def test_levels_of_a_dead_worker_are_gone_even_if_its_reports_still_wait() -> None:
    async with bench() as b:
        cell = replace_in_flight(b.cell("v1", ok=1), 3)
        b.control.worker_report(0, snapshot(b, cell))
        b.control.worker_down(0, "ended by SIGKILL", expected=False)
        await b.control.settled()

        assert (0, {200: 1}) == (b.control.totals.in_flight()["shop", "v1"], b.control.totals.cells["shop", "v1"].requests)


async def test_a_worker_that_comes_back_serves_the_plan_in_force() -> None:
    async with bench() as b:
        await b.target("v2")
        b.control.worker_down(0, "ended by SIGKILL", expected=False)
        b.journal.clear()
        await b.up(0)

        assert ["prepare 2", "commit 2"] == b.journal


async def test_a_first_plan_that_a_worker_refuses_ends_the_loop() -> None:
    async with bench(up=False) as b:
        b.may_fail = True
        b.workers.refusing = {0: "bad regex"}
        b.control.worker_up(0, 1)
        await b.failed.wait()

        assert [PlanRefused] == [type(error) for error in b.failures]


async def test_a_later_worker_that_refuses_the_plan_in_force_is_replaced() -> None:
    async with bench() as b:
        b.control.worker_down(0, "ended by SIGKILL", expected=False)
        b.workers.refusing = {0: "out of memory"}
        await b.up(0)

        assert ([0], "plan_refused") == (b.workers.replaced, b.control.events.since()[-1].kind)


async def test_counts_are_dropped_and_counted_before_the_queue_is_full_of_them() -> None:
    async with bench(up=False) as b:
        for _ in range(limits.CONTROL_EVENTS_MAX):
            b.control.worker_report(0, snapshot(b))
        await b.control.settled()  # still gets in

        assert 1024 == b.control.reports_dropped


async def test_an_operator_is_told_when_the_queue_is_full() -> None:
    async with bench(up=False) as b:
        for slot in range(limits.CONTROL_EVENTS_MAX):
            b.control.worker_down(slot, "x", expected=True)
        with pytest.raises(Unable, match="over-burdened"):
            await b.control.command("shop", "pause", by="local")


async def test_a_scrape_waits_for_what_workers_have_counted() -> None:
    async with bench() as b:

        async def collect(timeout_s: float) -> bool:
            b.control.worker_report(0, snapshot(b, b.cell("v1", ok=5)))
            return True

        b.workers.collect = collect  # type: ignore[method-assign]  # a worker that answers a scrape
        complete = await b.control.fresh()

        assert (True, {200: 5}) == (complete, b.control.totals.cells["shop", "v1"].requests)


async def test_history_is_newest_first_and_an_unknown_revision_is_said_to_be_unknown() -> None:
    async with bench() as b:
        await b.target("v2")
        history = await b.control.recall.history("shop", 10)
        with pytest.raises(UnknownName, match="no revision 9"):
            await b.control.recall.revision("shop", 9)

        assert (["started", "first"], "started") == ([r.kind for r in history], (await b.control.recall.revision("shop", 2)).kind)


async def test_closing_keeps_how_far_a_rollout_has_got() -> None:
    async with bench() as b:
        await b.target("v2")
        b.clock.advance(0.5)
        await b.report(b.cell("v2", ok=7))
        await b.tasks.close()
        await b.control.close()

        assert (7, 0.5, "close") == (
            b.store.positions["shop"][0].step_requests,
            b.store.positions["shop"][0].step_elapsed_s,
            b.journal[-1],
        )


def snapshot(b: Bench, *cells: CellDelta) -> Snapshot:
    return Snapshot(0, 1, b.control.generation, b.clock.wall(), cells=list(cells))


def replace_in_flight(cell: CellDelta, level: int) -> CellDelta:
    cell.in_flight = level
    return cell
