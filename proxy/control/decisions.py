"""Positions of all services, and the only way to change what workers serve: prepare, make durable, commit.

A decision is in the store before it has any effect; a plan that one worker cannot compile is taken by none; a decision that cannot be
kept has no effect and is made again. Knows nothing of queues, of who asked, or of SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from proxy.clock import Clock
from proxy.control.asking import TELLING, point_of, rollout_asked
from proxy.control.baseline import Baseline
from proxy.control.comparisons import Comparisons, rules_of
from proxy.control.events import RecentEvents
from proxy.control.ledger import Ledger
from proxy.control.memory import ENDS, Memory
from proxy.control.outside import Outside
from proxy.control.publisher import Publisher, build, compared
from proxy.control.reload import strands, target_set
from proxy.control.standing import Move, Standing
from proxy.control.switches import Switch, Switches
from proxy.errors import OperatorError, PlanRefused
from proxy.model.intent import Intent
from proxy.model.position import Decided, Phase, Position, Record
from proxy.model.service import Service
from proxy.rollout.events import Applied, Command, Heard
from proxy.rollout.machine import fingerprint, initial

CONFIGURATION = "configuration"
"""Who the history names for what the file asked for."""

HEADGATE = "headgate"


class Decisions:
    """``standings`` has every service of ``intent`` that has a target."""

    def __init__(
        self,
        intent: Intent,
        ledger: Ledger,
        publisher: Publisher,
        clock: Clock,
        events: RecentEvents,
        outside: Outside,
        comparisons: Comparisons,
        adopted: Callable[[Intent], None] = lambda intent: None,
    ) -> None:
        """``adopted`` is called as soon as another configuration counts, before anybody can read with it."""
        self.intent = intent
        self.standings: dict[str, Standing] = {}
        self.rollouts_ended: dict[tuple[str, str], int] = {}
        """By (service, result): promoted, rolled_back, abandoned, shadowed; since the start."""
        self.switches = Switches()
        self.baseline = Baseline()
        self._last_ended: dict[str, int] = {}
        self._adopted = adopted
        self._outside = outside
        self._comparisons = comparisons
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock
        self._events = events

    def positions(self) -> dict[str, Position]:
        """Where each service with a target stands."""
        return {name: standing.position for name, standing in self.standings.items()}

    def comparison(self, position: Position) -> tuple[int, tuple[str, ...]] | None:
        """Pairs compared in the rollout's shadow step, and where they differ; None when nothing is compared there."""
        service = self.intent.service(position.service)
        rules = rules_of(service, position) if service is not None and position.phase is Phase.SHADOWING else None
        if rules is None:
            return None
        summary = self._comparisons.summaries.get(position.service)
        return (summary.compared, summary.different) if summary is not None else (0, ())

    # ---- a whole configuration ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """At start: positions from the store, the configuration's say, and a first plan that nobody serves yet."""
        arrived, moves = await self._wishes(self.intent, starting=True)
        kept = await self._keep(moves, arrived)
        self.standings = arrived
        self._adopted(self.intent)
        self._outside.configure(self.intent)
        for move, revisions in zip(moves, kept, strict=True):
            if (memory := self._take(move, revisions)) is not None:
                self.write_down(move.position.service, memory)
        for standing in self.standings.values():
            standing.pending = True  # whatever was last published, nobody knows whether all had it
            self._outside.arrived(standing.position)
        self._publisher.install(build(self.intent, self.positions(), 1, self._comparisons.path))
        self._comparisons.use(compared(self.intent, self.positions()))

    async def adopt(self, intent: Intent, by: str = "") -> None:
        """At reload: serve ``intent``. ``by`` is who asked for the reload, empty when nobody did but the file.

        Raises ``PlanRefused`` or ``OperatorError``, and then nothing has changed.
        """
        arrived, moves = await self._wishes(intent, starting=False, by=f"{CONFIGURATION} ({by})" if by else CONFIGURATION)
        standings = {s.name: self.standings.get(s.name) or arrived[s.name] for s in intent.services if s.target}
        await self._enact(moves, intent, standings)

    async def _wishes(self, intent: Intent, *, starting: bool, by: str = CONFIGURATION) -> tuple[dict[str, Standing], list[Move]]:
        """What each service makes of its configured target; those new to this process take up where the store left them."""
        wanted = [service for service in intent.services if service.target]
        arrived: dict[str, Standing] = {}
        moves: list[Move] = []
        stored = await self._ledger.load() if any(s.name not in self.standings for s in wanted) else {}
        wall = self._clock.wall()
        for service in wanted:
            records: tuple[Record, ...] = ()
            standing = self.standings.get(service.name)
            if standing is None:
                kept = stored.get(service.name)
                standing, records = self._arrive(service, kept, intent, starting=starting)
                if kept is not None:
                    told = await self._ledger.series(service.name, standing.position.rollout)
                    standing.memory = Memory(standing.position, sticky=service.sticky is not None, kept=told)
                standing.baseline = self.baseline
                arrived[service.name] = standing
            move = standing.stepped(target_set(service, by), wall)
            moves.append(replace(move, records=(*records, *move.records)))
        return arrived, moves

    def _arrive(
        self, service: Service, kept: tuple[Position, dict[str, Any] | None] | None, intent: Intent, *, starting: bool
    ) -> tuple[Standing, tuple[Record, ...]]:
        """A service that this process has not had: as the store has it, or anew, and what the history should say of that."""
        target = service.version(service.target)
        assert target is not None, "a configuration names only versions it has"
        fresh = initial(service.name, service.target, fingerprint(target))
        now = self._clock.now()
        if kept is None:
            record = Record("first", f"{service.target} is stable at once: there is nothing to compare it with", by=CONFIGURATION)
            return Standing(fresh, None, now), (record,)
        position, tally = kept
        if service.version(position.stable) is None:
            why = f"{position.stable} was stable and is no longer in the configuration; {service.target} carries everything"
            self._events.add(self._clock.wall(), "stable_gone", service.name, why)
            record = Record("stable_gone", why, {"stable": position.stable, "phase": position.phase.value}, by=HEADGATE)
            return Standing(replace(fresh, rollout=position.rollout), None, now), (record,)
        standing = Standing(position, tally, now)
        if not starting or not strands({service.name: position}, intent):
            return standing, ()
        why = f"{position.candidate} is no longer in the configuration"
        self._events.add(self._clock.wall(), "candidate_gone", service.name, why)
        if position.phase is Phase.ROLLING_BACK:
            return standing, ()
        aborted = standing.stepped(Command(verb="abort", by=HEADGATE, reason=why), self._clock.wall())
        return Standing(aborted.position, tally, now), aborted.records

    # ---- one decision ---------------------------------------------------------------------------------------------------------

    async def enact(self, moves: Sequence[Move]) -> None:
        """Put decided moves into effect. Raises ``PlanRefused`` or ``OperatorError``, and then nothing has changed."""
        await self._enact(moves, None, self.standings)

    @property
    def pending(self) -> bool:
        """Whether a service waits to hear that workers serve what was last decided."""
        return any(standing.pending for standing in self.standings.values())

    async def acknowledge(self, took_s: float, switched: Mapping[str, Switch] | None = None) -> None:
        """No worker serves an older plan any more: tell the services that wait for it, and those that ``switched`` how that went.

        What they make of it may not be kept or published now; then they go on waiting, and whoever calls next tries again.
        """
        generation = self._publisher.generation
        figures = {name: {"switch": switch.figures()} for name, switch in (switched or {}).items()}
        moves = [
            standing.stepped(Applied(generation, took_s, figures.get(name, {})), self._clock.wall())
            for name, standing in self.standings.items()
            if standing.pending
        ]
        for move in moves:
            self.standings[move.position.service].pending = False
        decided = [move for move in moves if move.decides]
        if not decided:
            return
        try:
            await self.enact(decided)
        except (OperatorError, PlanRefused) as error:
            self._events.add(self._clock.wall(), "not_decided", "", f"an acknowledged decision was not kept: {error}")
            for move in decided:
                self.standings[move.position.service].pending = True

    async def hear(self, service: str, heard: Heard) -> bool:
        """Act on what came of a question. False when that was not possible now; what nobody waits for any more changes nothing.

        Hooks that are only told of an end may answer when the next rollout runs: then the history has their answer all the same.
        """
        standing = self.standings.get(service)
        if standing is None:
            return True
        try:
            move = standing.stepped(heard, self._clock.wall())
            if not move.decides and point_of(heard.key) in TELLING:
                figures = {**heard.figures, "rollout": rollout_asked(heard.key), "key": heard.key, "ok": heard.ok}
                move = Move(move.position, (Record("hook", heard.reason, figures),))
            if move.decides:
                await self.enact([move])
            else:
                standing.position = move.position
        except (OperatorError, PlanRefused) as error:
            self._events.add(self._clock.wall(), "not_decided", service, str(error))
            return False
        return True

    async def _enact(self, moves: Sequence[Move], intent: Intent | None, standings: dict[str, Standing]) -> None:
        publishing = intent is not None or any(move.publish for move in moves)
        switching = tuple(move.position.service for move in moves if move.barrier)
        began = self._clock.now()
        if publishing:
            positions = {name: standing.position for name, standing in standings.items()}
            positions |= {move.position.service: move.position for move in moves}
            plan = build(intent or self.intent, positions, self._publisher.generation + 1, self._comparisons.path)
            await self._publisher.prepare(plan, switching)
        try:
            kept = await self._keep(moves, standings)
        except BaseException:  # whatever it was, workers must not keep what will not be committed
            if publishing:
                self._publisher.abandon()
            raise
        self.intent, self.standings = intent or self.intent, standings
        if intent is not None:
            names = {service.name for service in intent.services}
            self._last_ended = {name: rollout for name, rollout in self._last_ended.items() if name in names}
            self.rollouts_ended = {key: count for key, count in self.rollouts_ended.items() if key[0] in names}
            self._adopted(intent)
            self._outside.configure(intent)
        told = [self._take(move, revisions) for move, revisions in zip(moves, kept, strict=True)]
        if intent is not None:
            for standing in standings.values():  # a service that comes back may wait for an answer since before it left
                self._outside.arrived(standing.position)
        if publishing:
            self._comparisons.use(compared(self.intent, self.positions()))
        cutovers = await self._publisher.commit() if publishing else {}
        for move, memory in zip(moves, told, strict=True):  # only now: a rollback waits for nothing that nobody decides on
            if memory is not None:
                self.write_down(move.position.service, memory)
        took_s = self._clock.now() - began
        switched = {
            name: self.switches.add(cutover, self._publisher.generation, took_s, self._clock, self._publisher.barrier_tries)
            for name, cutover in cutovers.items()
        }
        if self.pending:
            await self.acknowledge(took_s, switched)

    async def _keep(self, moves: Sequence[Move], standings: dict[str, Standing]) -> list[list[int]]:
        """Make moves durable, all of them or none; returns the revision numbers of each one's records."""
        decided = []
        for move in moves:
            if move.decides:
                standing = standings[move.position.service]
                tally = standing.tally_json() if move.position.rollout == standing.position.rollout else None
                decided.append(Decided(move.position, tuple(move.records), tally))
        kept = iter(await self._ledger.decide(decided, self._clock.wall()) if decided else ())
        return [next(kept) if move.decides else [] for move in moves]

    def _take(self, move: Move, revisions: Sequence[int]) -> Memory | None:
        """The service stands where the move leads; returns what is remembered of its rollout, if that is to be written down."""
        standing = self.standings[move.position.service]
        begins = move.position.rollout != standing.position.rollout
        memory = None
        if standing.running and move.records:
            standing.remember(self._clock.wall(), event=move.records[0].kind)
            memory = standing.memory
        standing.take(move, self._clock.now())
        if begins:
            service = self.intent.service(move.position.service)
            sticky = service is not None and service.sticky is not None
            standing.memory = Memory(move.position, sticky=sticky, began_s=self._clock.wall())
        for record in move.records:
            self._events.add(self._clock.wall(), record.kind, move.position.service, record.reason, by=record.by)
            self._tell_end(move.position.service, record)
        self._outside.moved(move, revisions)
        return memory

    def look_back(self) -> None:
        """Remember what running rollouts have gone through, whenever a stretch has taken its time."""
        wall = self._clock.wall()
        for standing in self.standings.values():
            if over := standing.memory.is_over(standing.position, wall):
                standing.remember(wall)
            if over or standing.memory.due(standing.position, wall):
                self.write_down(standing.position.service, standing.memory)

    def write_down(self, service: str, memory: Memory) -> None:
        """Keep what is remembered; while the store is busy with the one before, the next look does, if there will be one."""
        standing = self.standings.get(service)
        last = standing is None or standing.memory is not memory
        if self._ledger.keep_series(service, memory.rollout, memory.kept, memory.unsaved, last=last):
            memory.saved(self._clock.wall())

    def _tell_end(self, service: str, record: Record) -> None:
        """A rollout ends once: one that was abandoned may be rolled back after that, which is the same end."""
        rollout = record.figures.get("rollout", 0)
        if record.kind in ENDS and self._last_ended.get(service) != rollout:
            self._last_ended[service] = rollout
            key = (service, record.kind)
            self.rollouts_ended[key] = self.rollouts_ended.get(key, 0) + 1
