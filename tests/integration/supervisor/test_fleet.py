"""The fleet over real socket pairs and pretended processes: kept alive with back-off, asked, replaced, drained."""

from __future__ import annotations

import asyncio

import pytest

from proxy import limits
from proxy.control.workers import Answer
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.fleet import backoff_s
from tests.kit.yard import PLAN, yard

pytestmark = pytest.mark.asyncio


async def test_every_worker_answers_both_phases() -> None:
    async with yard() as y:
        await y.ready()
        plan = RoutePlan(2, "d", (), (), ())
        both = (await y.fleet.prepare(plan, [0, 1], 1.0), await y.fleet.commit(2, [0, 1], 1.0))

        assert ({0: Answer("done"), 1: Answer("done")},) * 2 == both


async def test_a_refusal_comes_with_its_reason() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[1].refuses = "bad regex"

        assert {0: Answer("done"), 1: Answer("refused", "bad regex")} == await y.fleet.prepare(PLAN, [0, 1], 1.0)


async def test_a_worker_that_does_not_answer_in_time_is_silent() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[0].deaf = {ch.Prepare}

        assert {0: Answer("silent"), 1: Answer("done")} == await y.fleet.prepare(PLAN, [0, 1], 0.05)


async def test_a_worker_that_dies_while_it_is_asked_is_gone_at_once() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[0].deaf = {ch.Prepare}
        asked = y.tasks.spawn(y.fleet.prepare(PLAN, [0, 1], 60.0), name="ask")
        await asyncio.sleep(0)
        y.processes[0].exit(1)

        assert {0: Answer("gone"), 1: Answer("done")} == await asked


async def test_a_worker_started_between_the_phases_is_not_told_to_commit_what_it_never_prepared() -> None:
    async with yard(1) as y:
        await y.ready()
        await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0], 1.0)
        y.processes[0].exit(1)
        await y.until("up 0 101")

        assert ({0: Answer("gone")}, []) == (await y.fleet.commit(2, [0], 1.0), y.processes[1].got)


async def test_a_dead_worker_is_told_of_and_another_one_started() -> None:
    async with yard(1) as y:
        await y.ready()
        y.processes[0].exit(-9)
        await y.until("up 0 101")

        assert "down 0 ended by SIGKILL" in y.told


async def test_a_replaced_worker_is_killed_and_the_reason_told() -> None:
    async with yard(1) as y:
        await y.ready()
        y.fleet.replace(0, "did not answer")
        await y.until("up 0 101")

        assert ("down 0 did not answer" in y.told, -9) == (True, y.processes[0].ended.result())


async def test_a_worker_that_breaks_its_channel_is_killed() -> None:
    """Nobody commands it any more, so it would stay on an old plan for ever."""
    async with yard(1) as y:
        await y.ready()
        y.processes[0].channel.close()
        await y.until("down 0 broke its channel")

        assert -9 == y.processes[0].ended.result()


async def test_a_worker_that_sends_nonsense_is_killed() -> None:
    async with yard(1) as y:
        await y.ready()
        y.processes[0].channel.send_frame(b"\x00\x00\x00\x01x")
        await y.until("down 0 broke its channel")

        assert -9 == y.processes[0].ended.result()


async def test_a_worker_that_never_says_hello_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_START_TIMEOUT_S", 0.05)
    async with yard(1) as y:
        y.silent_start = True
        y.fleet.run(y)

        await y.until("down 0 did not start in 0.05 s")


async def test_a_worker_that_says_nothing_any_more_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_SILENT_S", 0.04)
    async with yard(1) as y:
        await y.ready()
        y.clock.advance(1.0)

        await y.until("down 0 has said nothing for 0.04 s")


async def test_a_collect_waits_for_every_workers_counts() -> None:
    async with yard() as y:
        await y.ready()
        complete = await y.fleet.collect(1.0)

        assert (True, {"report 0", "report 1"}) == (complete, {told for told in y.told if told.startswith("report")})


async def test_a_collect_does_not_wait_longer_than_it_may() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[0].deaf = {ch.Collect}

        assert not await y.fleet.collect(0.05)


async def test_a_plan_too_large_to_send_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with yard() as y:
        await y.ready()
        monkeypatch.setattr(limits, "FRAME_BYTES_MAX", 10)
        with pytest.raises(PlanRefused, match="cannot be sent"):
            await y.fleet.prepare(PLAN, [0], 1.0)


async def test_a_drain_ends_every_worker_and_adds_up_what_was_cut() -> None:
    async with yard() as y:
        await y.ready()
        cut = await y.fleet.drain(1.0)

        assert (4, [0, 0], 2) == (cut, [p.ended.result() for p in y.processes], len([t for t in y.told if t.endswith("expected")]))


async def test_a_worker_that_does_not_drain_in_time_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DRAIN_GRACE_S", 0.05)
    async with yard() as y:
        await y.ready()
        y.processes[0].deaf = {ch.Drain}
        await y.fleet.drain(0.05)

        assert [-9, 0] == [process.ended.result() for process in y.processes]


async def test_the_end_starts_nothing_again() -> None:
    async with yard() as y:
        await y.ready()
        await y.fleet.end()

        assert (2, {}) == (len(y.processes), y.fleet.pids())


async def test_logs_are_reopened_by_every_worker() -> None:
    async with yard() as y:
        await y.ready()
        y.fleet.reopen_logs()
        await y.fleet.collect(1.0)

        assert [True, True] == [ch.ReopenLogs() in process.got for process in y.processes]


async def test_the_back_off_doubles_and_is_bounded() -> None:
    waits = [backoff_s(failures) for failures in (1, 2, 3, 100, 100_000)]

    assert [0.05, 0.1, 0.2, limits.WORKER_BACKOFF_MAX_S, limits.WORKER_BACKOFF_MAX_S] == waits
