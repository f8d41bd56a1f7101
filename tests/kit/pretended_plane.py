"""A worker with a pretended data plane, a pretended clock of its loop's signals, and a supervisor that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.worker import Place, Worker
from proxy.tasks import TaskGroup
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import Snapshot


class Transport:
    """The supervisor's end: what the worker sent, decoded. ``owed`` is what it has not taken yet."""

    def __init__(self) -> None:
        self.decoder = ch.Decoder(ch.Up)
        self.sent: list[object] = []
        self.owed = 0
        self.closing = False
        self.channel: ch.Channel | None = None

    def write(self, data: bytes) -> None:
        self.sent += self.decoder.feed(data)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.owed

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            assert self.channel is not None
            self.channel.connection_lost(None)


class Socket:
    """A bound socket, as far as a worker looks at it."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

    def listen(self, backlog: int) -> None:
        self.journal.append("listen")


class PretendedPlane:
    """Writes what it is told into a journal."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.refuses = ""
        self.cutovers: tuple[Cutover, ...] = ()
        self.sequence = 0
        self.drained = asyncio.Event()
        self.drained.set()

    def prepare(self, plan: RoutePlan) -> None:
        if self.refuses:
            raise PlanRefused(self.refuses)
        self.journal.append(f"prepare {plan.generation}")

    @property
    def barrier(self) -> PretendedPlane:
        """Itself: its journal is one."""
        return self

    def watch(self, services: Collection[str]) -> None:
        self.journal.append(" ".join(("watch", *services)))

    def hold(self) -> None:
        self.journal.append("hold")

    def let_go(self) -> None:
        self.journal.append("let go")

    def commit(self, generation: int) -> tuple[Cutover, ...]:
        self.journal.append(f"commit {generation}")
        return self.cutovers

    def abandon(self, generation: int) -> None:
        self.journal.append(f"abandon {generation}")

    async def listen(self, name: str, sock: Any) -> None:
        self.journal.append(f"accept {name}")

    def snapshot(self) -> Snapshot:
        self.sequence += 1
        return Snapshot(worker=0, sequence=self.sequence, generation=1, at_s=0.0)

    async def drain(self, timeout_s: float) -> int:
        self.journal.append(f"drain {timeout_s:g}")
        await self.drained.wait()
        return 3

    def reopen_logs(self) -> None:
        self.journal.append("reopen")

    def close(self) -> None:
        self.journal.append("close")


class Life:
    """A worker, its plane, and its supervisor's end of the channel."""

    def __init__(self, lock: Path) -> None:
        self.journal: list[str] = []
        self.plane = PretendedPlane(self.journal)
        self.transport = Transport()
        self.failures: list[BaseException] = []
        self.tasks = TaskGroup(lambda name, error: self.failures.append(error))
        self.signals: dict[int, Any] = {}
        self.lock = lock
        loop: Any = asyncio.get_running_loop()
        sock: Any = Socket(self.journal)
        place = Place(0, (("web", sock),), lock, "mine", 2.5)
        self.worker = Worker(place, self.plane, Signals(loop, self.signals), self.tasks, lambda: self.journal.append("settle"))
        self.transport.channel = self.worker.channel
        self.worker.channel.connection_made(self.transport)  # type: ignore[arg-type]  # as much of a transport as is used
        self.worker.begin()

    async def order(self, *orders: ch.Down) -> list[object]:
        """Orders arrive; what the worker has said since the last call."""
        for order in orders:
            self.worker.channel.data_received(ch.frame(order))
        for _ in range(10 * (len(orders) + 1)):
            await asyncio.sleep(0)
        sent, self.transport.sent = self.transport.sent, []
        return sent

    async def serving(self) -> None:
        """It has taken its first plan."""
        await self.order(prepare(1), ch.Commit(1))
        self.journal.clear()


class Signals:
    """The loop, with signal handlers kept instead of installed."""

    def __init__(self, loop: Any, handlers: dict[int, Any]) -> None:
        self._loop = loop
        self._handlers = handlers

    def add_signal_handler(self, number: int, handler: Any) -> None:
        self._handlers[number] = handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def prepare(generation: int, interval_s: float = 60.0) -> ch.Prepare:
    return ch.Prepare(RoutePlan(generation, "d", (), (), (), snapshot_interval_s=interval_s))


@asynccontextmanager
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    made = Life(tmp_path / "state.lock")
    try:
        yield made
    finally:
        made.worker._unschedule()
        await made.tasks.close()


def timer(it: Life) -> float:
    handle = it.worker._timer
    assert handle is not None
    return handle.when() - asyncio.get_running_loop().time()
