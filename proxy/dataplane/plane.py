"""The data plane of one worker: the table it serves, and all that outlives a table.

A plan is prepared (compiled whole, or refused) and later committed: one reference swapped. Requests under way keep the legs they
began with, so nothing is edited under them; pools carry over, so nothing is reconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from email.utils import formatdate
from random import SystemRandom
from typing import TYPE_CHECKING

from proxy import limits
from proxy.clock import Clock, SystemClock
from proxy.dataplane.candidate_cell import CandidateCell
from proxy.dataplane.cutover import Barrier
from proxy.dataplane.departures import Departures
from proxy.dataplane.door import Acceptor, Compiled, Doors
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.forwarding import Peer, RequestIds
from proxy.dataplane.legs import Leg
from proxy.dataplane.listening import Listening
from proxy.dataplane.longlived import LongLived
from proxy.dataplane.mirrors import Mirrors
from proxy.dataplane.origin_tls import OriginContexts
from proxy.dataplane.own_answers import OwnAnswers
from proxy.dataplane.pool import Pool
from proxy.dataplane.resolver import Resolver
from proxy.dataplane.retrying import Budget, ReplayRoom
from proxy.dataplane.room import Room
from proxy.dataplane.rules import Rulebook, Rules
from proxy.dataplane.shares import of_one_worker
from proxy.dataplane.tracing import Tracer, check_tracing, tracer_for
from proxy.dataplane.wheel import Wheel
from proxy.errors import PlanRefused
from proxy.model.intent import AccessLog as AccessLogPlan
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.service import Endpoint
from proxy.routing.table import Table
from proxy.tasks import TaskGroup
from proxy.telemetry.access_log import AccessLog, Outcome
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.recorder import Cell
from proxy.telemetry.snapshot import Snapshot
from proxy.wire import request, response
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.connection import ClientConnection

PoolKey = tuple[str, str, Endpoint]


class _Prepared:
    """A plan compiled and not yet served."""

    __slots__ = ("access_log", "cells", "doors", "plan", "pools", "table")

    def __init__(
        self,
        plan: RoutePlan,
        table: Table[Leg, Rules],
        cells: list[Cell],
        pools: dict[PoolKey, Pool],
        doors: Compiled,
        access_log: AccessLog | None,
    ) -> None:
        self.plan = plan
        self.table = table
        self.cells = cells
        self.pools = pools
        self.doors = doors
        self.access_log = access_log


class DataPlane:
    """One worker's whole. Call ``prepare`` and ``commit`` before ``listen``."""

    def __init__(
        self, worker: int, *, loop: asyncio.AbstractEventLoop, on_urgent: Callable[[], None], clock: Clock | None = None
    ) -> None:
        """``on_urgent`` is called when a candidate has just failed a request: a judge should hear of it before the next snapshot."""
        chance = SystemRandom()
        self.worker = worker
        self._clock = clock or SystemClock()
        self.loop = loop
        self.on_urgent = on_urgent
        self.tasks = TaskGroup(self._task_failed)
        self.wheel = Wheel(loop)
        self.wheel.start()
        self.request_table = request.new_table()
        self.response_table = response.new_table()
        self.starts = request.Starts()
        self.statuses = response.Statuses()
        self.pseudonym = b"headgate-%08x" % chance.getrandbits(32)
        self.request_ids = RequestIds(chance.getrandbits)
        self.health_room = asyncio.Semaphore(limits.HEALTH_CHECKS_MAX)
        self.replay_room = ReplayRoom()
        self.room = Room()
        self.departures = Departures(loop)
        self.downstreams: set[ClientConnection] = set()
        self.long_lived = LongLived(self)
        self.draining = False
        self.access_log: AccessLog | None = None
        self.tracer: Tracer | None = None
        self.resolver = Resolver(loop)
        self.mirrors = Mirrors(self, self._clock.wall)
        self.barrier = Barrier(self)
        self.table: Table[Leg, Rules]
        self._plan: RoutePlan | None = None
        self._prepared: dict[int, _Prepared] = {}
        self._pools: dict[PoolKey, Pool] = {}
        self._budgets: dict[str, Budget] = {}
        self._origin_contexts = OriginContexts()
        self.doors = Doors()
        self._cells: list[Cell] = []
        self.own_answers = OwnAnswers(self)
        self.rulebook = Rulebook()
        self._sequence = 0
        self._routes_told_s = 0.0
        self._listening = Listening(loop)
        self._acceptors: list[Acceptor] = []
        self._files: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._date_at = 0
        self._date = b""

    # -- plans --------------------------------------------------------------------------------------------------------------------

    def prepare(self, plan: RoutePlan) -> None:
        """Compile a plan whole and keep it for ``commit``. Raises PlanRefused, and then nothing has changed."""
        plan = of_one_worker(plan)
        pools: dict[PoolKey, Pool] = {}
        cells: list[Cell] = []
        legs = {service.name: self._legs(plan, service, pools, cells) for service in plan.services}
        rules = self.rulebook.compile(plan)
        check_tracing(plan.tracing)
        doors = self.doors.compile(plan.listeners)
        table = Table(plan, legs, rules)
        access_log = self.access_log
        if self._plan is None or self._plan.access_log != plan.access_log:
            try:
                access_log = self._open_access_log(plan.access_log)
            except OSError as error:
                raise PlanRefused(f"access_log: {plan.access_log and plan.access_log.path}: {error.strerror}") from None
        self._prepared[plan.generation] = _Prepared(plan, table, cells, pools, doors, access_log)

    def _open_access_log(self, plan: AccessLogPlan | None) -> AccessLog | None:
        return AccessLog(plan.path, plan.sample, later=self.loop.call_later) if plan is not None else None

    def _legs(self, plan: RoutePlan, service: ServicePlan, pools: dict[PoolKey, Pool], cells: list[Cell]) -> list[Leg]:
        total = sum(service.weights) or 1.0
        share = 0.0
        if service.candidate:
            share = sum(w for v, w in zip(service.versions, service.weights, strict=True) if v.name == service.candidate) / total
        budget = self._budgets.setdefault(service.name, Budget())
        legs: list[Leg] = []
        for version in service.versions:
            if not version.endpoints:
                raise PlanRefused(f"service {service.name}: version {version.name} has no endpoints")
            own: list[Pool] = []
            spare: list[Pool] = []
            for endpoint in version.endpoints:
                key = (service.name, version.name, endpoint)
                pool = pools[key] = pools.get(key) or self._pools.get(key) or Pool(self, *key)
                (spare if (version.name, endpoint.label) in service.standby else own).append(pool)
            is_candidate = bool(service.rollout) and version.name == service.candidate
            kind = CandidateCell if is_candidate else Cell
            cell = kind(
                service.name,
                version.name,
                plan.generation,
                rollout=service.rollout,
                candidate_share=share,
                is_candidate=is_candidate,
                slow_over_s=service.slow_over_s,
            )
            cells.append(cell)
            nowhere = Pool(self, service.name, version.name, Endpoint())
            leg = Leg(service, version, cell, own, budget, nowhere)
            leg.spare = spare
            legs.append(leg)
        secured = self._origin_contexts.of(service)
        by_name = {leg.cell.version: leg for leg in legs}
        for leg in legs:
            leg.siblings = legs
            leg.secured = secured
        self.mirrors.compile(service, legs)
        if service.fallback and service.candidate in by_name and service.stable in by_name:
            by_name[service.candidate].fall_back_on(by_name[service.stable])
        return legs

    def commit(self, generation: int) -> tuple[Cutover, ...]:
        """Serve a prepared plan from the next request on; returns what was seen of the services that switched behind a barrier."""
        new = self._prepared.pop(generation)
        self._prepared = {key: value for key, value in self._prepared.items() if key > generation}
        old = self._pools
        before = {(s, leg.cell.version): leg for s, split in self.table.splits.items() for leg in split.legs} if self._plan else {}
        self.table = new.table
        self._pools = new.pools
        self.doors.take(new.doors)
        if self._files is None and (self._origin_contexts or any(door.tls is not None for door in self.doors.values())):
            self._look_at_files()
        self._cells += new.cells
        self.rulebook.commit(new.plan)
        self.tracer = tracer_for(new.plan.tracing, self.tracer)
        self.resolver.use(new.plan.nameservers)
        self.mirrors.commit(new.plan)
        for start in self.starts.values():
            start.routed = None  # else lines that do not come again would keep their old table
        if self.access_log is not new.access_log:
            if self.access_log is not None:
                self.access_log.close()
            self.access_log = new.access_log
        before_plan, self._plan = self._plan, new.plan
        names = {service.name for service in new.plan.services}
        self._budgets = {name: budget for name, budget in self._budgets.items() if name in names}
        for name, split in new.table.splits.items():
            for leg in split.legs:
                leg.take_over(before.get((name, leg.cell.version)), self.wheel)
        retired = [pool for key, pool in old.items() if key not in new.pools]
        for pool in retired:
            pool.retire()
        self.long_lived.settle(before_plan, new.plan, retired)
        return self.barrier.committed()

    def abandon(self, generation: int) -> None:
        """Forget a prepared plan that nobody will serve."""
        self.barrier.abandon()
        prepared = self._prepared.pop(generation, None)
        if prepared is not None and prepared.access_log is not None and prepared.access_log is not self.access_log:
            prepared.access_log.close()

    # -- connections --------------------------------------------------------------------------------------------------------------

    async def listen(self, name: str, sock: socket.socket) -> None:
        """Accept clients of the listener ``name`` on a socket that is bound and listening."""
        self.departures.open()
        door = self.doors[name]
        if door.proves:
            self._acceptors.append(Acceptor(self, door, sock))
        else:
            await self._listening.begin(sock, lambda: Downstream(self, door))

    def _look_at_files(self) -> None:
        self._files = self.loop.call_later(limits.CERTIFICATE_POLL_S, self._look_at_files)
        self.doors.refresh()
        self._origin_contexts.refresh(self.table)

    async def drain(self, timeout_s: float) -> int:
        """Accept no more, let requests under way finish, close. Returns how many were cut off after ``timeout_s``."""
        self.draining = True
        for acceptor in self._acceptors:
            acceptor.close()
        await self._listening.end()
        # A client on an idle connection may be sending its next request this very moment: it still gets its answer, with `close`.
        for downstream in list(self.downstreams):
            downstream.drain()
        self.long_lived.drain(timeout_s * limits.DRAIN_STREAMS_SHARE)
        await self._emptied(timeout_s)
        cut = sum(not downstream.idle for downstream in self.downstreams) + len(self.long_lived.tunnels)
        self.close()
        return cut

    async def _emptied(self, timeout_s: float) -> bool:
        """Wait until the last client connection has ended, or ``timeout_s`` has passed."""
        if self.downstreams or self.long_lived.tunnels:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
        return not self.downstreams and not self.long_lived.tunnels

    def closed(self, downstream: ClientConnection) -> None:
        """A client connection has ended."""
        self.downstreams.discard(downstream)
        self.check_empty()

    def check_empty(self) -> None:
        """Tell a drain when the last connection has ended."""
        if not self.downstreams and not self.long_lived.tunnels:
            self._empty.set()

    def close(self) -> None:
        """End everything now."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._listening.close()
        for downstream in list(self.downstreams):
            downstream.abort()
        self.long_lived.close()
        for pool in self._pools.values():
            pool.retire()
        self.mirrors.close()
        self.wheel.stop()
        self.departures.close()
        if self._files is not None:
            self._files.cancel()
        self.resolver.close()
        if self.tracer is not None:
            self.tracer.close()
            self.tracer = None
        if self.access_log is not None:
            self.access_log.close(limits.ACCESS_LOG_CLOSE_S)
            self.access_log = None

    def _task_failed(self, name: str, error: BaseException) -> None:
        self.loop.call_exception_handler({"message": f"task {name} failed", "exception": error})

    # -- counting -----------------------------------------------------------------------------------------------------------------

    def log_access(self, req: Request | None, peer: Peer, of: tuple[str, str], outcome: Outcome, request_id: bytes) -> None:
        """Leave a line for the access log: of a service and version (both may be empty), and of a request, if it could be read."""
        assert self.access_log is not None
        asked = (b"", b"", b"") if req is None else (req.start.method, req.host, req.path)
        client = peer.address if req is None else peer.client(req)
        self.access_log.offer((self._clock.wall(), client, *asked, of, outcome, request_id))

    def date_line(self) -> bytes:
        """The Date field of this second."""
        now = int(self._clock.wall())
        if now != self._date_at:
            self._date_at = now
            self._date = b"Date: " + formatdate(now, usegmt=True).encode()
        return self._date

    def snapshot(self) -> Snapshot:
        """What was counted since the last call. Cells of plans that are over are let go once nothing of them is in flight."""
        assert self._plan is not None, "snapshot before the first commit"
        generation = self._plan.generation
        levels: dict[tuple[str, str], int] = {}
        for cell in self._cells:
            key = (cell.service, cell.version)
            levels[key] = levels.get(key, 0) + cell.in_flight
        deltas = []
        kept = []
        for cell in self._cells:
            level = levels[cell.service, cell.version]
            if cell.dirty or cell.reported_in_flight != level:
                cell.reported_in_flight = level
                deltas.append(cell.take(level))
            if cell.generation == generation or cell.in_flight:
                kept.append(cell)
        self._cells = kept
        self._sequence += 1
        wall = self._clock.wall()
        routes = {}
        if wall - self._routes_told_s >= limits.ROUTES_TOLD_S or wall < self._routes_told_s:
            self._routes_told_s, routes = wall, self.table.take_hits()
        return Snapshot(
            worker=self.worker,
            sequence=self._sequence,
            generation=generation,
            at_s=wall,
            cells=deltas,
            endpoints=[pool.state() for pool in self._pools.values()],
            shadows=self.mirrors.take(),
            routes=routes,
            unmatched=self.own_answers.take_unmatched(),
            listeners=[door.state() for door in self.doors.values()],
            origin_tls={service: secured.error for service, secured in self._origin_contexts.items()},
            own=self.own_answers.take_of_services(),
            rate_keys_evicted=self.rulebook.take_evicted(),
            clients_refused=self.room.take_refused(),
            spans_dropped=self.tracer.take_dropped() if self.tracer else 0,
            downstream_connections=len(self.downstreams) + len(self.long_lived.tunnels),
            replays_refused=self.replay_room.take_refused(),
            first_drawn=self.barrier.take_first(),
            access_log_dropped=self.access_log.take_dropped() if self.access_log else 0,
        )

    def reopen_logs(self) -> None:
        """After a rotation."""
        if self.access_log is not None:
            self.access_log.reopen()
