"""The worker processes: started, spoken to, replaced, drained. What ``control`` calls ``Workers``.

One ``_Slot`` a worker place; its process comes and goes. An ended process is started again with back-off unless the fleet drains.
Knows nothing of plans beyond sending them, and nothing of what counts mean.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

import proxy
from proxy import limits
from proxy.clock import Clock
from proxy.control.workers import Answer
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.verdict import STAY, SWITCH, UNSUPPORTED, Verdicts
from proxy.tasks import TaskGroup
from proxy.telemetry.snapshot import Snapshot


class Process(Protocol):
    """A started worker."""

    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


class Listening(Protocol):
    """Whom the fleet tells. All are called in the loop's thread and return at once."""

    def worker_up(self, slot: int, pid: int) -> None: ...
    def worker_down(self, slot: int, why: str, *, expected: bool) -> None: ...
    def worker_report(self, slot: int, snapshot: Snapshot) -> None: ...


Start = Callable[[int, socket.socket], Awaitable[Process]]
"""Start the process of a slot with its end of the channel."""


def backoff_s(failures: int) -> float:
    """How long to wait before the start after ``failures`` in a row: doubling, bounded."""
    return min(limits.WORKER_BACKOFF_MAX_S, limits.WORKER_BACKOFF_MIN_S * 2.0 ** min(failures - 1, 20))


class _Slot:
    """One place for a worker, and what the fleet waits for from it: ``expected`` maps (message kind, number) to its future."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.channel: ch.Channel | None = None
        self.expected: dict[tuple[str, int], asyncio.Future[Answer]] = {}
        self.hello = False
        self.prepared = 0
        self.accepting = False
        self.drained: int | None = None
        self.heard_at = 0.0
        self.why = ""
        self.over = asyncio.Event()
        """Its process has ended; meaningful while ``killed``."""
        self.killed = False

    def expect(self, kind: str, number: int) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.expected[kind, number] = future
        return future

    def settle(self, kind: str, number: int, answer: Answer) -> None:
        future = self.expected.pop((kind, number), None)
        if future is not None and not future.done():
            future.set_result(answer)

    def settle_all(self, answer: Answer) -> None:
        for kind, number in list(self.expected):
            self.settle(kind, number, answer)


class Fleet:
    """All worker slots. ``run`` keeps a worker in each until ``drain``."""

    def __init__(self, slots: int, start: Start, clock: Clock, tasks: TaskGroup, verdicts: Verdicts) -> None:
        self._slots = [_Slot(number) for number in range(slots)]
        self._start = start
        self._clock = clock
        self._tasks = tasks
        self._stopping = asyncio.Event()
        self._collects = 0
        self._barrier = 0
        self._verdicts = verdicts
        self._listening: Listening | None = None

    def run(self, listening: Listening) -> None:
        """Start a worker in every slot, and again whenever it ends."""
        self._listening = listening
        self._keepers = [self._tasks.spawn(self._keep(slot), name=f"worker {slot.number}") for slot in self._slots]

    # ---- what control asks ----------------------------------------------------------------------------------------------------

    async def prepare(
        self, plan: RoutePlan, slots: Collection[int], timeout_s: float, switching: tuple[str, ...] = ()
    ) -> dict[int, Answer]:
        """See ``control.workers``."""
        try:
            data = ch.frame(ch.Prepare(plan=plan, switching=switching))
        except ch.ChannelBroken as error:
            raise PlanRefused(f"the plan cannot be sent to workers: {error}") from error
        return await self._ask(slots, "prepared", plan.generation, data, timeout_s)

    async def commit(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        """See ``control.workers``."""
        # A worker started since then has prepared nothing: to it the order would be nonsense, and to the caller it is gone.
        able = [number for number in slots if self._slots[number].prepared == generation]
        data = ch.frame(ch.Commit(generation=generation))
        return {number: Answer("gone") for number in slots} | await self._ask(able, "committed", generation, data, timeout_s)

    async def hold(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        """See ``control.workers``."""
        self._barrier += 1
        able = [number for number in slots if self._slots[number].prepared == generation]
        data = ch.frame(ch.Hold(id=self._barrier, generation=generation, within_s=limits.CUTOVER_HOLD_MAX_S))
        answers = await self._ask(able, "held", self._barrier, data, timeout_s)
        for number, answer in answers.items():
            slot = self._slots[number]
            if answer.state == "gone" and slot.process is not None and slot.accepting:
                answers[number] = Answer("silent")  # its channel is broken, and it may serve on
        return {number: Answer("gone") for number in slots} | answers

    def agree(self, *, switch: bool) -> bool:
        """See ``control.workers``."""
        try:
            agreed = self._verdicts.say(self._barrier, SWITCH if switch else STAY) == SWITCH
        except OSError as error:
            # What cannot be said is not so. But where nothing can ever be said a worker cannot let go either: its time up, it ends.
            agreed = switch and error.errno in UNSUPPORTED
        if not agreed:
            for slot in self._slots:
                self._send(slot, ch.Release(id=self._barrier))
        return agreed

    async def ended(self, timeout_s: float) -> bool:
        """See ``control.workers``."""
        dying = [slot.over.wait() for slot in self._slots if slot.killed]
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*dying)
        except TimeoutError:
            return False
        return True

    def lower(self) -> None:
        """See ``control.workers``."""
        self._verdicts.forget(self._barrier)

    def abandon(self, generation: int, slots: Collection[int]) -> None:
        """See ``control.workers``."""
        for number in slots:
            self._send(self._slots[number], ch.Abandon(generation=generation))

    def replace(self, slot: int, why: str) -> None:
        """See ``control.workers``."""
        self._slots[slot].why = why
        self._kill(self._slots[slot])

    async def collect(self, timeout_s: float) -> bool:
        """See ``control.workers``."""
        self._collects += 1
        slots = [slot.number for slot in self._slots if slot.accepting]
        data = ch.frame(ch.Collect(id=self._collects))
        answers = await self._ask(slots, "report", self._collects, data, timeout_s)
        return all(answer.state != "silent" for answer in answers.values())

    def pids(self) -> dict[int, int]:
        """See ``control.workers``."""
        return {slot.number: slot.process.pid for slot in self._slots if slot.process is not None}

    # ---- what the supervisor asks ---------------------------------------------------------------------------------------------

    def reopen_logs(self) -> None:
        """Every worker opens its access log again."""
        for slot in self._slots:
            self._send(slot, ch.ReopenLogs())

    async def drain(self, timeout_s: float) -> int:
        """End every worker: in flight gets ``timeout_s``, then it is broken off. Returns how many requests were."""
        self._stopping.set()
        for slot in self._slots:
            if slot.hello:
                self._send(slot, ch.Drain(timeout_s=timeout_s))
            else:
                self._kill(slot)
        await asyncio.wait(self._keepers, timeout=timeout_s + limits.DRAIN_GRACE_S)
        return await self.end()

    async def end(self) -> int:
        """End every worker at once. Returns the requests that drained workers had to break off."""
        self._stopping.set()
        for slot in self._slots:
            self._kill(slot)
        await asyncio.wait(self._keepers)
        return sum(slot.drained or 0 for slot in self._slots)

    # ---- one slot -------------------------------------------------------------------------------------------------------------

    async def _keep(self, slot: _Slot) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.now()
            why = await self._live(slot)
            expected = self._stopping.is_set()
            assert self._listening is not None
            self._listening.worker_down(slot.number, why, expected=expected)
            failures = 1 if self._clock.now() - began >= limits.WORKER_STEADY_S else failures + 1
            if not expected:
                await self._pause(backoff_s(failures))

    async def _live(self, slot: _Slot) -> str:
        """One process from start to end; returns why it ended."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        slot.hello, slot.accepting, slot.prepared, slot.why, slot.killed = False, False, 0, "", False
        slot.over.clear()
        silence = asyncio.Event()
        channel = ch.Channel(ch.Up, lambda message: self._heard(slot, message), silence.set)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: channel, sock=ours)
        slot.channel = channel
        try:
            slot.process = await self._start(slot.number, theirs)
        except OSError as error:
            slot.channel = None
            channel.close()
            return f"cannot be started: {error}"
        finally:
            theirs.close()
        if self._stopping.is_set():
            self._kill(slot)  # the order to end came while it was being started, and did not find it
        late = loop.call_later(limits.WORKER_START_TIMEOUT_S, self._late, slot)
        watch = self._tasks.spawn(self._watch(slot), name=f"watch of worker {slot.number}")
        deaf = self._tasks.spawn(self._deaf(slot, silence), name=f"channel of worker {slot.number}")
        code = await slot.process.wait()
        slot.over.set()
        late.cancel()
        deaf.cancel()
        watch.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.LAST_WORDS_S):
                await silence.wait()  # its last counts may be on their way still
        slot.process = slot.channel = None
        slot.hello = slot.accepting = False
        channel.close()
        slot.settle_all(Answer("gone"))
        return slot.why or ended(code)

    def _late(self, slot: _Slot) -> None:
        if not slot.hello:
            self.replace(slot.number, f"did not start in {limits.WORKER_START_TIMEOUT_S:g} s")

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _heard(self, slot: _Slot, message: object) -> None:
        assert self._listening is not None
        slot.heard_at = self._clock.now()
        match message:
            case ch.Hello(pid=pid):
                slot.hello = True
                self._listening.worker_up(slot.number, pid)
            case ch.Prepared(generation=generation):
                slot.prepared = generation
                slot.settle("prepared", generation, Answer("done"))
            case ch.Refused(generation=generation, reason=reason):
                slot.settle("prepared", generation, Answer("refused", reason))
            case ch.Held(id=number):
                slot.settle("held", number, Answer("done"))
            case ch.Committed(generation=generation, cutovers=cutovers):
                slot.accepting = True
                slot.settle("committed", generation, Answer("done", cutovers=cutovers))
            case ch.Report(snapshot=snapshot, answering=number):
                self._listening.worker_report(slot.number, snapshot)
                slot.settle("report", number, Answer("done"))
            case ch.Drained(cut=cut):
                slot.drained = cut

    async def _watch(self, slot: _Slot) -> None:
        """A worker reports every second. One that has not for so long hangs, and its clients with it."""
        while True:
            await asyncio.sleep(limits.WORKER_SILENT_S / 4)
            if slot.accepting and self._clock.now() - slot.heard_at > limits.WORKER_SILENT_S and not self._stopping.is_set():
                self.replace(slot.number, f"has said nothing for {limits.WORKER_SILENT_S:g} s")

    async def _deaf(self, slot: _Slot, silence: asyncio.Event) -> None:
        """A channel that ended before its process: nobody commands that worker any more, so it may not stay."""
        await silence.wait()
        await asyncio.sleep(limits.LAST_WORDS_S)  # as a rule the process is just ending, and for a better reason
        slot.why = slot.why or "broke its channel"
        self._kill(slot)

    async def _ask(self, slots: Collection[int], kind: str, number: int, data: bytes, timeout_s: float) -> dict[int, Answer]:
        waiting: dict[int, asyncio.Future[Answer]] = {}
        answers: dict[int, Answer] = {}
        for slot in (self._slots[n] for n in slots):
            if slot.channel is None or not slot.channel.open:
                answers[slot.number] = Answer("gone")
                continue
            waiting[slot.number] = slot.expect(kind, number)
            slot.channel.send_frame(data)
        if waiting:
            await asyncio.wait(waiting.values(), timeout=timeout_s)
        for n, future in waiting.items():
            self._slots[n].expected.pop((kind, number), None)
            answers[n] = future.result() if future.done() else Answer("silent")
        return answers

    def _send(self, slot: _Slot, message: ch.Down) -> None:
        if slot.channel is not None:
            slot.channel.send(message)

    def _kill(self, slot: _Slot) -> None:
        if slot.process is not None:
            slot.killed = True
            try:
                slot.process.kill()
            except ProcessLookupError:
                return  # it has just ended by itself


def ended(code: int) -> str:
    """How a process came to its end, from its exit code as asyncio has it."""
    if code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"ended with exit code {code}"


class Birth(msgspec.Struct, frozen=True):
    """What every worker of this supervisor is started with."""

    lock: Path
    instance: str
    drain_timeout_s: float


def starter(birth: Birth, of_slot: Callable[[int], Sequence[tuple[str, socket.socket]]]) -> Start:
    """Starts real processes: this interpreter, the worker module, the slot's sockets."""

    async def start(slot: int, channel: socket.socket) -> Process:
        listeners = [(name, sock.fileno()) for name, sock in of_slot(slot)]
        arguments = [
            *(f"--listener={name}={number}" for name, number in listeners),
            f"--slot={slot}",
            f"--channel={channel.fileno()}",
            f"--lock={birth.lock}",
            f"--instance={birth.instance}",
            f"--drain-timeout={birth.drain_timeout_s}",
        ]
        return await asyncio.create_subprocess_exec(
            *interpreter(),
            "proxy.supervisor.worker",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[channel.fileno(), *(number for _, number in listeners)],
        )

    return start


def interpreter() -> list[str]:
    """How a module of ours is run as a process.

    ``-P`` keeps a folder called ``proxy`` in the working directory from being taken for ours, unless ours is that very one.
    """
    home = Path(proxy.__file__).resolve().parents[1]
    return [sys.executable, "-m"] if home == Path(os.getcwd()).resolve() else [sys.executable, "-P", "-m"]
