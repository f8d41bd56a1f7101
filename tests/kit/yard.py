"""A fleet over real socket pairs and pretended processes, and all that it tells."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.clock import ManualClock
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.fleet import Fleet
from proxy.supervisor.verdict import Verdicts
from proxy.tasks import TaskGroup
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import Snapshot

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
