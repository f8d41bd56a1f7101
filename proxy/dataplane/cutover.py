"""The barrier of an atomic switch, in one worker: requests for the services that switch wait until all workers agree.

A stand-in takes the table's place for as long as it lasts, so that a request at any other time pays nothing. First it *watches* which
version was drawn last, from the preparation of the plan on; then it *holds*: a request whose head is whole is kept, unanswered, and its
connection is read no further. ``committed`` begins what was kept on the new table, ``let_go`` on the one that was served all along.
Requests of other services, and those that were routed before, go on untouched. Knows nothing of other workers, nor of how long a hold
may last.
"""

from __future__ import annotations

from collections.abc import Collection
from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.dataplane.legs import Leg
from proxy.dataplane.rules import Rules
from proxy.routing.table import Choice, Client, Split, Table, Way
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.histogram import bucket
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.connection import ClientConnection
    from proxy.dataplane.plane import DataPlane


class _WatchedSplit(Split[Leg]):
    """A split that remembers when each version was drawn, first and last."""

    __slots__ = ("_split", "first", "last")

    def __init__(self, split: Split[Leg]) -> None:
        self._split = split
        self.plan = split.plan
        self.legs = split.legs
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def choose(self, request: Request, client: Client, chance: float) -> Choice[Leg]:
        choice = self._split.choose(request, client, chance)
        if choice[1]:
            version = choice[0].cell.version
            self.last[version] = now = perf_counter()
            self.first.setdefault(version, now)
        return choice


class _Watching(Table[Leg, Rules]):
    """In a table's place: the same ways, watched where they lead to a service that switches."""

    __slots__ = ("table", "watched")

    def __init__(self, table: Table[Leg, Rules], services: Collection[str]) -> None:
        self.table = table
        self.generation = table.generation
        self.splits = table.splits
        self.ways = table.ways
        self.watched = {split: _WatchedSplit(split) for name, split in table.splits.items() if name in services}

    def match(self, request: Request) -> Way[Leg, Rules] | None:
        way = self.table.match(request)
        if way is not None and (watched := self.watched.get(way.split)) is not None:
            way.hits += 1  # its stand-in's are never taken
            return Way(watched, way.rules, way.name)
        return way


class _Holding(_Watching):
    """In a table's place: no way to a service that switches. Whoever finds none asks ``Cutover.keeps`` why."""

    __slots__ = ()

    def match(self, request: Request) -> Way[Leg, Rules] | None:
        way = self.table.match(request)
        return None if way is not None and way.split in self.watched else way

    def service(self, request: Request) -> str:
        """The service whose switch the request has to wait for, or empty."""
        way = self.table.match(request)
        return way.split.plan.name if way is not None and way.split in self.watched else ""


class _Kept:
    """A request that waits, and since when."""

    __slots__ = ("at", "down", "request", "service")

    def __init__(self, down: ClientConnection, request: Request, service: str) -> None:
        self.down = down
        self.request = request
        self.service = service
        self.at = perf_counter()


class Barrier:
    """Of one worker: ``watch``, ``hold``, then ``let_go`` or ``committed``. One switch at a time."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._watching: _Watching | None = None
        self._watched_s = 0.0
        self._holding: _Holding | None = None
        self._kept: list[_Kept] = []
        self._body_bytes = 0
        self._paused: list[ClientConnection] = []
        self._awaiting: _Watching | None = None  # of services that have switched and had no request since
        self._awaited_s = 0.0
        self._first: dict[str, float] = {}

    def watch(self, services: Collection[str]) -> None:
        """These are about to switch: see from now on which of their versions is drawn."""
        table = self._plane.table
        if isinstance(table, _Watching):  # it still waits for the first request after a switch before
            table = table.table
        self._awaiting = None
        self._watched_s = perf_counter()
        self._watching = self._plane.table = _Watching(table, services)

    def hold(self) -> None:
        """Keep every new request of theirs."""
        assert self._watching is not None, "watch comes first"
        if self._holding is None:
            self._holding = self._plane.table = _Holding(self._watching.table, [s.plan.name for s in self._watching.watched])

    def keeps(self, down: ClientConnection, request: Request, body: bytes) -> bool:
        """Whether a request that found no way has only to wait; then it does, with the ``body`` that came whole with its head."""
        holding = self._holding
        if holding is None:
            return False
        service = holding.service(request)
        if not service:
            return False
        down.wait(body)
        self._kept.append(_Kept(down, request, service))
        self._body_bytes += len(body)
        if len(self._kept) >= limits.CUTOVER_HELD_MAX or self._body_bytes >= limits.CUTOVER_HELD_BYTES_MAX:
            self._read_no_more()
        return True

    def _read_no_more(self) -> None:
        """Enough is in memory: what clients send from here on stays in the kernel."""
        for connection in self._plane.downstreams:
            if connection.rest():
                self._paused.append(connection)

    def let_go(self) -> None:
        """There is no switch for now: all that waits is begun on the table that was served all along."""
        if self._holding is None:
            return
        assert self._watching is not None
        self._plane.table = self._watching  # it may be tried again
        self._begin_kept()

    def abandon(self) -> None:
        """There is no switch at all."""
        if self._watching is not None:
            self.let_go()
            self._plane.table = self._watching.table
            self._watching = None

    def committed(self) -> tuple[Cutover, ...]:
        """The plane's table is the new one: all that waited is begun on it. What was seen of each service that switched."""
        watching = self._watching
        if watching is None:
            self._await(self._not_yet())
            return ()
        table = self._plane.table
        after = self._plane.table = _Watching(table, [split.plan.name for split in watching.watched])
        kept = self._begin_kept()
        self._plane.table = table
        self._watching = None
        seen = tuple(self._seen(after, split, last.last, kept) for split, last in watching.watched.items())
        self._awaited_s = perf_counter()
        self._await([one.service for one in seen if not one.new_first_s])
        return seen

    def _await(self, services: Collection[str]) -> None:
        """See when a version of theirs is drawn first."""
        if services:
            self._awaiting = self._plane.table = _Watching(self._plane.table, services)

    def _not_yet(self) -> list[str]:
        """Services that have had no request since their switch; what was seen of the others waits to be told."""
        awaiting, self._awaiting = self._awaiting, None
        if awaiting is None:
            return []
        waiting = []
        for split, seen in awaiting.watched.items():
            if seen.first:
                self._first[split.plan.name] = min(seen.first.values())
            else:
                waiting.append(split.plan.name)
        return waiting

    def take_first(self) -> dict[str, float]:
        """By service: its first request after a switch, when none had waited for that. Told once; given up on after some seconds."""
        if self._awaiting is not None:
            table = self._awaiting.table
            waiting = self._not_yet()
            self._plane.table = table
            if perf_counter() - self._awaited_s < limits.CUTOVER_FIRST_S:
                self._await(waiting)
        first, self._first = self._first, {}
        return first

    def _seen(self, after: _Watching, split: Split[Leg], last: dict[str, float], kept: dict[str, list[float]]) -> Cutover:
        name = split.plan.name
        first: dict[str, float] = {}
        weights: dict[str, float] = {}
        now_split = after.splits.get(name)
        if now_split is not None:
            first = after.watched[now_split].first
            weights = {v.name: w for v, w in zip(now_split.plan.versions, now_split.plan.weights, strict=True)}
        waited = [seconds for seconds in kept.get(name, ()) if seconds >= 0]
        holds: dict[int, int] = {}
        for seconds in waited:
            holds[bucket(seconds)] = holds.get(bucket(seconds), 0) + 1
        return Cutover(
            service=name,
            watched_s=self._watched_s,
            held=len(waited),
            left=len(kept.get(name, ())) - len(waited),
            hold_s_max=max(waited, default=0.0),
            hold_s_sum=sum(waited),
            holds=holds,
            old_last_s=max((at for version, at in last.items() if not weights.get(version)), default=0.0),
            new_first_s=min(first.values(), default=0.0),
        )

    def _begin_kept(self) -> dict[str, list[float]]:
        """Begin what waited, in the order it came; by service, how long each did (-1: its client did not wait for it)."""
        self._holding = None
        kept, self._kept, self._body_bytes = self._kept, [], 0
        waited: dict[str, list[float]] = {}
        for one in kept:
            seconds = perf_counter() - one.at
            if not one.down.go_on():
                seconds = -1.0
                reason = "the client left before its version was known"
                self._plane.own_answers.tell(499, reason, one.request, one.down.peer, one.service)
            waited.setdefault(one.service, []).append(seconds)
        paused, self._paused = self._paused, []
        for connection in paused:
            connection.read_again()
        return waited
