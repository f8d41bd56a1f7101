"""The fleet over real socket pairs and pretended processes: kept alive with back-off, asked, replaced, drained."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from proxy import limits
from proxy.clock import ManualClock
from proxy.control.workers import Answer
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.fleet import Fleet, backoff_s
from proxy.supervisor.verdict import STAY, SWITCH, Verdicts
from proxy.tasks import TaskGroup
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import Snapshot
from tests.kit.waiting import eventually

pytestmark = pytest.mark.asyncio

PLAN = RoutePlan(1, "d", (), (), ())


class PretendedProcess:
    """A worker's process: obeys at once, except for the kinds of orders in ``deaf``."""

    def __init__(self, slot: int, pid: int) -> None:
        self.slot = slot
        self.pid = pid
        self.deaf: set[type] = set()
        self.refuses = ""
        self.cutovers: tuple[Cutover, ...] = ()
        self.dies_hard = False
        self.got: list[object] = []
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.channel = ch.Channel(ch.Down, self._obey, lambda: None)

    def exit(self, code: int) -> None:
        """End, as a process does: its end of the channel goes with it."""
        self.channel.close()
        if not self.ended.done():
            self.ended.set_result(code)

    def kill(self) -> None:
        if not self.dies_hard:
            self.exit(-9)

    async def wait(self) -> int:
        return await self.ended

    def _obey(self, order: object) -> None:
        self.got.append(order)
        if type(order) in self.deaf:
            return
        match order:
            case ch.Prepare(plan=plan) if self.refuses:
                self.channel.send(ch.Refused(plan.generation, self.refuses))
            case ch.Prepare(plan=plan):
                self.channel.send(ch.Prepared(plan.generation))
            case ch.Hold(id=number):
                self.channel.send(ch.Held(number))
            case ch.Commit(generation=generation):
                self.channel.send(ch.Committed(generation, self.cutovers))
            case ch.Collect(id=number):
                self.channel.send(ch.Report(Snapshot(self.slot, 1, 1, 0.0), number))
            case ch.Drain():
                self.channel.send(ch.Drained(2))
                self.exit(0)


class Yard:
    """A fleet, whom it tells, and the processes it has started. Conditions are awaited with ``until``."""

    def __init__(self, slots: int, folder: Path) -> None:
        self.clock = ManualClock()
        self.processes: list[PretendedProcess] = []
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.failures: list[BaseException] = []
        self.tasks = TaskGroup(lambda name, error: self.failures.append(error))
        self.silent_start = False
        self.verdicts = Verdicts(folder / "lock", "mine")
        self.fleet = Fleet(slots, self._start, self.clock, self.tasks, self.verdicts)

    async def _start(self, slot: int, channel: socket.socket) -> PretendedProcess:
        process = PretendedProcess(slot, 100 + len(self.processes))
        theirs = channel.dup()
        theirs.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: process.channel, sock=theirs)
        self.processes.append(process)
        if not self.silent_start:
            process.channel.send(ch.Hello(process.pid))
        return process

    def worker_up(self, slot: int, pid: int) -> None:
        self._tell(f"up {slot} {pid}")

    def worker_down(self, slot: int, why: str, *, expected: bool) -> None:
        self._tell(f"down {slot} {why}{' expected' if expected else ''}")

    def worker_report(self, slot: int, snapshot: Snapshot) -> None:
        self._tell(f"report {slot}")

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self.changed.set()

    async def until(self, what: str) -> None:
        """Wait until the fleet has told ``what``."""
        async with asyncio.timeout(5):
            while what not in self.told:
                self.changed.clear()
                await self.changed.wait()

    async def ready(self) -> None:
        """Every slot has a worker that serves generation 1."""
        self.fleet.run(self)
        slots = range(len(self.fleet._slots))
        for slot in slots:
            async with asyncio.timeout(5):
                while not any(told.startswith(f"up {slot}") for told in self.told):
                    self.changed.clear()
                    await self.changed.wait()
        await self.fleet.prepare(PLAN, slots, 1.0)
        await self.fleet.commit(1, slots, 1.0)


@asynccontextmanager
async def yard(slots: int = 2) -> AsyncIterator[Yard]:
    with TemporaryDirectory() as folder:
        made = Yard(slots, Path(folder))
        try:
            yield made
        finally:
            if hasattr(made.fleet, "_keepers"):
                await made.fleet.end()
            await made.tasks.close()


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


async def held(y: Yard) -> dict[int, Answer]:
    """Generation 2 is prepared, and every worker asked to hold."""
    await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
    return await y.fleet.hold(2, [0, 1], 0.1)


async def test_workers_are_told_which_services_switch_and_say_that_they_hold() -> None:
    async with yard() as y:
        await y.ready()
        answers = await held(y)

        assert {0: Answer("done"), 1: Answer("done")} == answers
        assert [ch.Prepare(RoutePlan(2, "d", (), (), ()), ("shop",)), ch.Hold(1, 2, limits.CUTOVER_HOLD_MAX_S)] == y.processes[0].got[
            -2:
        ]


async def test_a_worker_that_does_not_say_that_it_holds_is_silent() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[1].deaf = {ch.Hold}

        assert {0: Answer("done"), 1: Answer("silent")} == await held(y)


async def test_a_fresh_worker_that_serves_nothing_yet_need_not_hold() -> None:
    async with yard() as y:
        await y.ready()
        await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
        y.processes[1].exit(1)
        await y.until("up 1 102")

        assert {0: Answer("done"), 1: Answer("gone")} == await y.fleet.hold(2, [0, 1], 1.0)


async def test_a_worker_that_lives_and_cannot_be_told_to_hold_is_silent_not_gone() -> None:
    async with yard() as y:
        await y.ready()
        await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
        y.processes[1].channel.close()
        await eventually(lambda: not y.fleet._slots[1].channel.open, 5, "its channel is closed")  # type: ignore[union-attr]  # it has one

        assert Answer("silent") == (await y.fleet.hold(2, [0, 1], 1.0))[1]


async def test_what_is_agreed_on_is_the_verdict_and_nobody_is_released() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)

        assert (True, SWITCH) == (y.fleet.agree(switch=True), y.verdicts.say(1, STAY))
        assert not any(isinstance(order, ch.Release) for order in y.processes[0].got)


async def test_once_a_worker_has_let_go_there_is_no_agreement_and_the_others_are_released() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)
        y.verdicts.say(1, STAY)

        assert not y.fleet.agree(switch=True)
        await eventually(lambda: ch.Release(1) in y.processes[0].got, 5, "the other one is released")


async def test_a_word_that_cannot_be_kept_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    async with yard() as y:
        await y.ready()
        await held(y)

        def full(number: int, outcome: str) -> str:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(y.verdicts, "say", full)

        assert not y.fleet.agree(switch=True)


async def test_a_barrier_that_is_over_leaves_no_word_behind() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)
        y.fleet.agree(switch=True)
        y.fleet.lower()

        assert STAY == y.verdicts.say(1, STAY)


async def test_what_a_worker_saw_of_a_switch_comes_with_its_answer() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[0].cutovers = (Cutover("shop", held=3),)
        await held(y)

        assert Answer("done", cutovers=(Cutover("shop", held=3),)) == (await y.fleet.commit(2, [0, 1], 1.0))[0]


async def test_a_killed_worker_is_waited_for() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[1].dies_hard = True
        y.fleet.replace(1, "did not hold")
        early = await y.fleet.ended(0.01)
        y.processes[1].exit(-9)

        assert (False, True) == (early, await y.fleet.ended(1.0))
