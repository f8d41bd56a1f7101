"""A worker process: the data plane on a uvloop loop, taking orders over the channel and sending counts up.

Orders are handled strictly in order by one task. The worker never waits for the supervisor: when the channel breaks it goes on
serving what it has, until another supervisor serves in its place, or somebody sends it TERM. Knows nothing of what a plan says, and
imports nothing of the control plane, so that it starts fast and stays small.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import uvloop

from proxy import limits
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.lock import read_claim
from proxy.supervisor.verdict import STAY, SWITCH, Verdicts
from proxy.tasks import TaskGroup
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import Snapshot

_ORDERS_MAX = 1024
"""Orders waiting; the supervisor sends a handful and awaits the answers, so more means it is not ours."""


class Barrier(Protocol):
    """What the worker needs of the data plane's barrier."""

    def watch(self, services: Collection[str]) -> None: ...
    def hold(self) -> None: ...
    def let_go(self) -> None: ...


class Plane(Protocol):
    """What the worker needs of the data plane."""

    @property
    def barrier(self) -> Barrier: ...
    def prepare(self, plan: RoutePlan) -> None: ...
    def commit(self, generation: int) -> tuple[Cutover, ...]: ...
    def abandon(self, generation: int) -> None: ...
    async def listen(self, name: str, sock: socket.socket) -> None: ...
    def snapshot(self) -> Snapshot: ...
    async def drain(self, timeout_s: float) -> int: ...
    def reopen_logs(self) -> None: ...
    def close(self) -> None: ...


class _HeldLongEnough(msgspec.Struct, frozen=True):
    """An order of the worker's own: nobody has said how this barrier ends, so find out, or say it."""

    id: int


class Place(msgspec.Struct, frozen=True):
    """What a worker is told at birth. ``listeners`` are (name, inherited socket); ``instance`` is its supervisor's."""

    slot: int
    listeners: tuple[tuple[str, socket.socket], ...]
    lock: Path
    instance: str
    drain_timeout_s: float


class Worker:
    """One worker's life. ``ended`` is set when the process may exit."""

    def __init__(
        self, place: Place, plane: Plane, loop: asyncio.AbstractEventLoop, tasks: TaskGroup, settle: Callable[[], None]
    ) -> None:
        """``settle`` is called once, when the first plan is served."""
        self._place = place
        self._plane = plane
        self._loop = loop
        self._tasks = tasks
        self._settle = settle
        self._orders: asyncio.Queue[object] = asyncio.Queue(_ORDERS_MAX)
        self._intervals: dict[int, float] = {}
        self._interval_s = limits.SNAPSHOT_SLOW_S
        self._timer: asyncio.TimerHandle | None = None
        self._urgent: asyncio.TimerHandle | None = None
        self._urgent_at = 0.0
        self._verdicts = Verdicts(place.lock, place.instance)
        self._hold: ch.Hold | None = None
        self._hold_timer: asyncio.TimerHandle | None = None
        self._generation = 0
        self._accepting = False
        self._leaving = False
        self._drained = False
        self.channel = ch.Channel(ch.Down, self._ordered, self._lost)
        self.ended = asyncio.Event()

    def begin(self) -> None:
        """The channel is connected: say so and take orders."""
        self._tasks.spawn(self._obey(), name="orders")
        self.channel.send(ch.Hello(pid=os.getpid()))

    def urgent(self) -> None:
        """A candidate has just failed a request: the judge should know within 20 ms, once per burst."""
        if self._urgent is None and self._accepting and not self._leaving:
            due = max(self._loop.time() + limits.URGENT_SNAPSHOT_S, self._urgent_at + limits.URGENT_SNAPSHOT_GAP_S)
            self._urgent = self._loop.call_at(due, self._send_urgent)

    def leave(self) -> None:
        """Drain and end; without a supervisor, nobody else says when."""
        self._begin_drain(self._place.drain_timeout_s)

    # ---- orders ---------------------------------------------------------------------------------------------------------------

    def _ordered(self, message: object) -> None:
        try:
            self._orders.put_nowait(message)
        except asyncio.QueueFull:
            self.channel.close()

    async def _obey(self) -> None:
        while True:
            await self._obey_one(await self._orders.get())

    async def _obey_one(self, order: object) -> None:
        if self._drained:
            return
        match order:
            case ch.Prepare(plan=plan, switching=switching):
                self._prepare(plan, switching)
            case ch.Hold():
                self._hold_requests(order)
            case ch.Release(id=number):
                self._let_go(number)
            case _HeldLongEnough(id=number):
                await self._end_hold(number)
            case ch.Commit(generation=generation):
                await self._commit(generation)
            case ch.Abandon(generation=generation):
                self._holds_no_more()
                self._intervals.pop(generation, None)
                self._plane.abandon(generation)
            case ch.Collect(id=number):
                self._report(answering=number)
            case ch.ReopenLogs():
                self._plane.reopen_logs()
            case ch.Drain(timeout_s=timeout_s):
                if self._hold is not None:
                    await self._end_hold(self._hold.id)
                # Beside the orders: a rollback decided meanwhile concerns the requests that still come, and whoever decided it waits.
                self._begin_drain(timeout_s)

    def _prepare(self, plan: RoutePlan, switching: tuple[str, ...]) -> None:
        try:
            self._plane.prepare(plan)
        except PlanRefused as refusal:
            self.channel.send(ch.Refused(generation=plan.generation, reason=str(refusal)))
            return
        self._intervals = {plan.generation: plan.snapshot_interval_s}
        if switching and self._accepting:
            self._plane.barrier.watch(switching)
        self.channel.send(ch.Prepared(generation=plan.generation))

    async def _commit(self, generation: int) -> None:
        if generation == self._generation:  # it has done so by itself, when its hold was over
            self.channel.send(ch.Committed(generation=generation))
            return
        self._holds_no_more()
        cutovers = self._plane.commit(generation)
        self._generation = generation
        self._interval_s = self._intervals.pop(generation)
        if not self._accepting and not self._leaving:
            for name, sock in self._place.listeners:
                # Only now: a socket that listens is dealt connections by the kernel, and this worker could not answer them before.
                sock.listen(limits.LISTEN_BACKLOG)
                await self._plane.listen(name, sock)
            self._accepting = True
            self._settle()
        self.channel.send(ch.Committed(generation=generation, cutovers=cutovers))
        self._schedule()

    # ---- the barrier of a switch ----------------------------------------------------------------------------------------------

    def _hold_requests(self, order: ch.Hold) -> None:
        self._holds_no_more()
        self._hold = order
        self._hold_timer = self._loop.call_later(order.within_s, self._ordered, _HeldLongEnough(order.id))
        self._plane.barrier.hold()
        self.channel.send(ch.Held(id=order.id))

    def _holds_no_more(self) -> None:
        self._hold = None
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None

    def _let_go(self, number: int) -> None:
        if self._hold is not None and self._hold.id == number:
            self._holds_no_more()
            self._plane.barrier.let_go()

    async def _end_hold(self, number: int) -> None:
        """The time is up, or the supervisor gone. If the switch is agreed on others may have switched, and so does this worker."""
        hold = self._hold
        if hold is None or hold.id != number:
            return
        try:
            outcome = self._verdicts.say(number, STAY)
        except OSError:
            if self.channel.open:  # it might still be agreed on, and this worker would not know: rather none than the old version
                self.ended.set()
                return
            outcome = STAY  # nobody is left to agree on it
        if outcome == SWITCH:
            await self._commit(hold.generation)
        else:
            self._let_go(number)

    # ---- counts ---------------------------------------------------------------------------------------------------------------

    def _unschedule(self) -> None:
        for handle in (self._timer, self._urgent):
            if handle is not None:
                handle.cancel()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._interval_s, self._tick)

    def _tick(self) -> None:
        self._schedule()
        if self.channel.backlog < limits.CHANNEL_BACKLOG_BYTES_MAX:
            self._report()

    def _send_urgent(self) -> None:
        self._urgent = None
        self._urgent_at = self._loop.time()
        if self.channel.backlog < limits.CHANNEL_BACKLOG_BYTES_MAX:
            self._report()

    def _report(self, answering: int = 0) -> None:
        if self.channel.open and self._accepting:  # else the counts stay in the data plane, where they are bounded
            self.channel.send(ch.Report(snapshot=self._plane.snapshot(), answering=answering))

    # ---- endings --------------------------------------------------------------------------------------------------------------

    def _begin_drain(self, timeout_s: float) -> None:
        if not self._leaving:
            self._leaving = True
            self._tasks.spawn(self._drain(timeout_s), name="drain")

    async def _drain(self, timeout_s: float) -> None:
        cut = await self._plane.drain(timeout_s)
        self._drained = True
        if self.channel.open:
            self._report()
            self.channel.send(ch.Drained(cut=cut))
            self.channel.close()  # sends what is queued first; its loss sets ended
        else:
            self.ended.set()

    def _lost(self) -> None:
        self._unschedule()
        if self._hold is not None:
            self._ordered(_HeldLongEnough(self._hold.id))
        if self._leaving:
            if self._drained:
                self.ended.set()  # else the drain goes on, and sets it
            return
        if not self._accepting:
            self.ended.set()  # nothing is served here, so nothing is lost
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.leave)
        self._tasks.spawn(self._watch_successor(), name="orphan")

    async def _watch_successor(self) -> None:
        """Until another supervisor serves; its workers accept by then, so leaving opens no gap."""
        while True:
            claim = read_claim(self._place.lock)
            if claim is not None and claim.instance != self._place.instance and claim.serving:
                self.leave()
                return
            await asyncio.sleep(limits.ORPHAN_POLL_S)


def settle() -> None:
    """What is alive now stays: keep it out of every later collection, and collect rarely, for requests and connections leave no cycles.

    Should something leave some all the same (exceptions may), it does not become much.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


def ignore_signals() -> None:
    """The terminal and the service manager signal the whole group; only the supervisor decides what that means."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system allows: the soft limit is for programs that use ``select``, and this one does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # a system that says one thing and means another: the soft limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def place_of(arguments: Sequence[str]) -> tuple[Place, socket.socket]:
    """The command line of a worker, read by nobody but ``supervisor.fleet``."""
    parser = argparse.ArgumentParser(prog="headgate-worker")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--drain-timeout", type=float, required=True)
    parser.add_argument("--listener", action="append", default=[], help="NAME=FD")
    options = parser.parse_args(arguments)
    listeners = []
    for text in options.listener:
        name, _, number = text.rpartition("=")
        listeners.append((name, socket.socket(fileno=int(number))))
    place = Place(options.slot, tuple(listeners), options.lock, options.instance, options.drain_timeout)
    return place, socket.socket(fileno=options.channel)


async def live(place: Place, channel: socket.socket) -> int:
    """Run one worker to its end; returns the exit code."""
    from proxy.dataplane.plane import DataPlane

    loop = asyncio.get_running_loop()
    failed: list[BaseException] = []

    def broke(name: str, error: BaseException) -> None:
        failed.append(error)
        worker.ended.set()

    tasks = TaskGroup(broke)
    plane = DataPlane(place.slot, loop=loop, on_urgent=lambda: worker.urgent())
    worker = Worker(place, plane, loop, tasks, settle)
    await loop.create_unix_connection(lambda: worker.channel, sock=channel)
    worker.begin()
    await worker.ended.wait()
    await tasks.close()
    plane.close()
    if failed:
        raise failed[0]
    return 0


def main(arguments: Sequence[str]) -> int:
    """Entry of ``python -m proxy.supervisor.worker``."""
    ignore_signals()
    raise_descriptor_limit()
    place, channel = place_of(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(live(place, channel))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
