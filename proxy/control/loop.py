"""The control loop: one task, one queue, one order. Files, operators, workers and time enter as events; plans and history come out.

Every change of what workers serve goes the same way (``_enact``): prepare the plan on all workers, make the decision durable, commit.
So a decision is in the history before it has any effect, a plan that one worker cannot compile is taken by none, and a decision that
cannot be kept has no effect. Knows nothing of HTTP, processes, YAML or SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from proxy import limits
from proxy.clock import Clock
from proxy.control.calling import Client, WebClient
from proxy.control.commands import Commands
from proxy.control.comparisons import Comparisons, Nowhere
from proxy.control.complaints import Complaints
from proxy.control.decisions import Decisions
from proxy.control.events import (
    Answered,
    CommandGiven,
    Counted,
    Fetched,
    Loaded,
    LoopEvent,
    Reached,
    RecentEvents,
    ReloadRequested,
    ReloadResult,
    Unable,
    WorkerFell,
    WorkersRose,
    answer,
)
from proxy.control.ledger import Ledger
from proxy.control.levels import Look, endpoint_levels
from proxy.control.outside import Outside
from proxy.control.publisher import Publisher
from proxy.control.recall import Recall
from proxy.control.reloading import Reloading
from proxy.control.route_rates import RouteRates
from proxy.control.standing import Standing
from proxy.control.switches import Switches
from proxy.control.totals import Totals
from proxy.control.windows import Windows
from proxy.control.workers import Workers
from proxy.errors import OperatorError, PlanRefused
from proxy.model.intent import Intent
from proxy.tasks import TaskGroup
from proxy.telemetry.snapshot import Snapshot

_RESERVED = 1024
"""Places of the queue that counts cannot take: workers' lives and operators' words always get in."""


class Control:
    """The one writer. ``start`` once, then ``run`` as a task; everything public may be called from the loop's thread only."""

    def __init__(
        self,
        intent: Intent,
        *,
        load: Callable[[], Intent],
        ledger: Ledger,
        workers: Workers,
        clock: Clock,
        events: RecentEvents,
        tasks: TaskGroup,
        client: Client | None = None,
        comparisons: Comparisons | None = None,
    ) -> None:
        """``load`` reads the configuration again (in a thread; raises ``OperatorError``). ``client`` calls outside; None: for real.

        ``comparisons`` is where answers are compared; None: nowhere.
        """
        self.clock = clock
        self.events = events
        self.totals = Totals()
        self.windows = Windows(clock.now())
        self.route_rates = RouteRates(clock.now())
        self.worker_restarts = 0
        self.reports_dropped = 0
        """Counts of workers that found the queue full: their differences are missing in totals."""
        self.draining = False
        self.serving = asyncio.Event()
        """Set when, for the first time, every worker serves."""
        self._workers = workers
        self._ledger = ledger
        self._queue: asyncio.Queue[LoopEvent] = asyncio.Queue(limits.CONTROL_EVENTS_MAX)
        self._publisher = Publisher(workers, self._replaced)
        self.outside = Outside(client or WebClient(), tasks, clock, events, self._enter)
        self.comparisons = comparisons or Nowhere()
        self._decisions = Decisions(intent, ledger, self._publisher, clock, events, self.outside, self.comparisons, self._adopted)
        self.reloading = Reloading(load, self._decisions, self._publisher, clock, events, tasks, self._enter)
        self._commands = Commands(self._decisions, ledger, clock)
        self.recall = Recall(self._decisions, ledger)
        self._risen: set[int] = set()
        self._complaints = Complaints(clock, self._complained)

    # ---- life -----------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take positions from the store, let the configuration have its say, and hold the first plan; workers may come then.

        Raises ``OperatorError`` when the store cannot be used.
        """
        await self._decisions.begin()

    async def run(self) -> None:
        """Deal with events, one after the other, without end."""
        while True:
            await self._handle(await self._queue.get())

    async def close(self) -> None:
        """Keep how far every rollout has got, and close the store. ``run`` and all tasks have ended."""
        await self.outside.close()
        for standing in self.standings.values():
            if standing.running:
                await self._ledger.progress_now(standing.position, standing.tally_json())
                standing.remember(self.clock.wall())
            memory = standing.memory
            if memory.rollout:
                await self._ledger.keep_series_now(standing.position.service, memory.rollout, *memory.kept(closed=True))
        await self._ledger.close()

    async def _handle(self, event: LoopEvent) -> None:
        match event:
            case Counted(slot=slot, snapshot=snapshot):
                await self._count(slot, snapshot)
            case WorkersRose():
                await self._bring_up()
            case WorkerFell(slot=slot):
                self.totals.down(slot)
                self._complaints.down(slot)
            case ReloadRequested():
                self.reloading.begin(event)
            case Loaded():
                await self.reloading.end(event)
            case CommandGiven():
                await self._commands.obey(event)
            case Answered(service=service, heard=heard, reply=reply):
                answer(reply, await self._decisions.hear(service, heard))
            case Fetched(service=service, rollout=rollout, observed=observed):
                standing = self.standings.get(service)
                if standing is not None and standing.position.rollout == rollout:
                    standing.judge.add(observed)
            case Reached(reply=reply):
                answer(reply, None)

    # ---- what workers say (called by the fleet) -------------------------------------------------------------------------------

    def worker_up(self, slot: int, pid: int) -> None:
        """A fresh worker takes orders."""
        self._risen.add(slot)
        self._enter(WorkersRose())
        self.events.add(self.clock.wall(), "worker_up", "", f"worker {slot} started", slot=slot, worker_pid=pid)

    def worker_down(self, slot: int, why: str, *, expected: bool) -> None:
        """A worker ended; unless that was wanted, the fleet starts another one."""
        self._risen.discard(slot)
        self._publisher.down(slot)
        self._enter(WorkerFell(slot))
        if not expected:
            self.worker_restarts += 1
            self.events.add(self.clock.wall(), "worker_down", "", f"worker {slot} {why}; another is started", slot=slot)

    def worker_report(self, slot: int, snapshot: Snapshot) -> None:
        """A worker's counts."""
        self._enter(Counted(slot, snapshot))

    def _enter(self, event: LoopEvent) -> None:
        if isinstance(event, Counted) and self._queue.qsize() >= limits.CONTROL_EVENTS_MAX - _RESERVED:
            self.reports_dropped += 1
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            raise Unable("the control loop is over-burdened; try again") from None

    # ---- what operators say (called by the admin API and signals) -------------------------------------------------------------

    async def reload(self, *, source: str, by: str) -> ReloadResult:
        """Read the configuration and put it into effect. The one door: file watch, signal and API all come here.

        ``source`` is file, signal or api. Refused means that nothing has changed. Raises ``Unable`` when it could not be tried.
        """
        reply: asyncio.Future[ReloadResult] = asyncio.get_running_loop().create_future()
        self._enter(ReloadRequested(source, by, reply))
        return await reply

    async def command(
        self, service: str, verb: str, *, by: str, to: str = "", full: bool = False, reason: str = "", force: bool = False
    ) -> None:
        """Do what an operator wants of a rollout. Raises ``OperatorError`` with what is possible; done means in effect.

        ``to`` is a version, or for ``undo`` a revision's number too. ``force`` overrides the schema guard.
        """
        reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enter(CommandGiven(service, verb, by, to, full, reason, reply, force))
        await reply

    async def settled(self) -> None:
        """Return when all that has entered so far has been dealt with."""
        reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enter(Reached(reply))
        await reply

    async def fresh(self) -> bool:
        """Have totals include what workers have counted up to now. False when some worker or the loop was too slow for a scrape."""
        deadline = asyncio.get_running_loop().time() + 2 * limits.COLLECT_TIMEOUT_S
        complete = await self._workers.collect(limits.COLLECT_TIMEOUT_S)
        try:
            async with asyncio.timeout_at(deadline):
                await self.settled()
        except (TimeoutError, Unable):
            return False
        return complete

    # ---- how things stand (read at any time) ----------------------------------------------------------------------------------

    @property
    def intent(self) -> Intent:
        """The configuration in force."""
        return self._decisions.intent

    @property
    def standings(self) -> Mapping[str, Standing]:
        """Each service with a target."""
        return self._decisions.standings

    @property
    def rollouts_ended(self) -> Mapping[tuple[str, str], int]:
        """Rollouts that ended since the start, by (service, result)."""
        return self._decisions.rollouts_ended

    @property
    def switches(self) -> Switches:
        """Atomic switches since the start."""
        return self._decisions.switches

    @property
    def generation(self) -> int:
        """Of the plan in force; 0 before there is one."""
        return self._publisher.generation

    def unready(self) -> str:
        """Why not every worker serves the current configuration; empty when all do."""
        if self.draining:
            return "draining"
        missing = [slot for slot in range(self.intent.workers) if slot not in self._publisher.serving]
        if missing:
            return f"worker {', '.join(map(str, missing))} of {self.intent.workers} does not serve generation {self.generation} yet"
        return ""

    def worker_states(self) -> list[dict[str, Any]]:
        """Each slot, its process, and whether that serves the plan in force."""
        pids = self._workers.pids()
        return [{"slot": n, "pid": pids.get(n), "serving": n in self._publisher.serving} for n in range(self.intent.workers)]

    # ---- workers --------------------------------------------------------------------------------------------------------------

    async def _bring_up(self) -> None:
        slots, self._risen = self._risen, set()
        if not slots:
            return
        try:
            await self._publisher.bring_up(slots)
        except PlanRefused as refusal:
            if not self.serving.is_set():
                raise  # the first plan: there is nothing to fall back on
            self.events.add(self.clock.wall(), "plan_refused", "", f"a fresh worker refused the plan in force: {refusal}")
            for slot in slots - self._publisher.serving:
                self._workers.replace(slot, "refused the plan in force")
        if not self.unready():
            self.serving.set()
            await self._decisions.acknowledge(0.0)

    def _replaced(self, slot: int, why: str) -> None:
        self.events.add(self.clock.wall(), "worker_replaced", "", f"worker {slot} {why}; it is killed", slot=slot)

    def _complained(self, kind: str, service: str, text: str, slot: int) -> None:
        self.events.add(self.clock.wall(), kind, service, text, slot=slot)

    async def _count(self, slot: int, snapshot: Snapshot) -> None:
        """Add a worker's counts and let every running rollout they concern judge at once; the others as time passes."""
        now = self.clock.now()
        self.totals.add(slot, snapshot)
        self.route_rates.add(snapshot, self._publisher.current, now)
        self._complaints.hear(slot, snapshot)
        for name, at_s in snapshot.first_drawn.items():
            self.switches.first(name, at_s, self.clock)
        touched: set[str] = set()
        for cell in snapshot.cells:
            self.windows.add(cell, now)
            self._decisions.baseline.add(cell, snapshot.at_s)
            standing = self.standings.get(cell.service)
            if standing is not None and standing.count(cell, snapshot.at_s):
                touched.add(cell.service)
        for shadow in snapshot.shadows:
            if (standing := self.standings.get(shadow.service)) is not None:
                standing.mirrored(shadow)
                touched.add(shadow.service)
        look = cache(self.totals.endpoints)  # once for all, and only if somebody goes by them
        for name, standing in tuple(self.standings.items()):
            if standing.running and (name in touched or now - standing.measured_at >= limits.CONTROL_TICK_S):
                await self._measure(standing, look)
        self._decisions.look_back()
        for what, why in self._ledger.failing.items():
            self.events.add(self.clock.wall(), "not_kept", "", f"{what} cannot be kept: {why}")
        if self._decisions.pending and not self.unready():
            await self._decisions.acknowledge(0.0)

    async def _measure(self, standing: Standing, look: Look) -> None:
        now = self.clock.now()
        standing.judge.comparison = self._decisions.comparison(standing.position)
        position = standing.position
        levels = endpoint_levels(self.intent.service(position.service), position, look)
        move = standing.measure(now, self.clock.wall(), levels)
        if move.decides:
            try:
                await self._decisions.enact([move])
            except (OperatorError, PlanRefused) as error:
                # It has no effect, since it is not in the history. The next counts lead to it again.
                self.events.add(self.clock.wall(), "not_decided", move.position.service, str(error))
        elif now - standing.kept_at >= limits.PROGRESS_S and self._ledger.progress(standing.position, standing.tally_json()):
            standing.kept_at = now
        self.outside.check(standing.position, standing.due(self.clock.wall()))

    def _adopted(self, intent: Intent) -> None:
        """Another configuration counts: each of its versions has its counts, and what is gone has none."""
        self.switches.keep(service.name for service in intent.services)
        versions = [(service.name, version) for service in intent.services for version in service.versions]
        self.totals.keep(
            [(service, version.name) for service, version in versions],
            [(service, version.name, endpoint.label) for service, version in versions for endpoint in version.endpoints],
        )
        self.windows.keep((service, version.name) for service, version in versions)
        self._decisions.baseline.keep((service, version.name) for service, version in versions)
