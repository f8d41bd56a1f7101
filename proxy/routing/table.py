"""A plan compiled into a table: replaced whole, never edited. A request is decided on one table from its first byte to its last.

Precedence (independent of file order until the very last): exact host, wildcard host with the longest suffix, any host; exact path,
longest prefix by whole segments, regex; then a route with methods; then more header conditions; then more query conditions; then file
order. Look-up costs one dictionary access per host form and path segment, however many routes there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Route
from proxy.routing import bucket
from proxy.routing.matcher import Matcher
from proxy.wire import headers
from proxy.wire.request import Request


class Leg(Protocol):
    """What the data plane hangs on each version: its counts and its connections. Opaque here."""


L = TypeVar("L", bound=Leg)
R = TypeVar("R")  # the rules of a route; opaque here


Choice = tuple[L, bool, int]
"""A split's answer: the leg; whether chance or a user's hash drew it (only then may a judge count it); the user's hash, or 0."""


class Client(Protocol):
    """Who asks, for stickiness by address."""

    def client(self, request: Request) -> bytes: ...


class Split(Generic[L]):
    """One service under one plan: overrides, then stickiness, then chance."""

    __slots__ = ("_by", "_cookie", "_draws", "_header", "_overrides", "_salts", "_weights", "legs", "plan")

    def __init__(self, plan: ServicePlan, legs: list[L]) -> None:
        """``legs`` stand beside ``plan.versions``. Raises PlanRefused."""
        if len(plan.weights) != len(plan.versions) or not any(plan.weights) or min(plan.weights) < 0:
            raise PlanRefused(f"service {plan.name}: weights do not fit its versions")
        self.plan = plan
        self.legs = legs
        index = {version.name: position for position, version in enumerate(plan.versions)}
        if any(override.version not in index for override in plan.overrides):
            raise PlanRefused(f"service {plan.name}: an override names a version that does not exist")
        self._overrides = tuple(
            (Matcher(override.match, keyed=False), (legs[index[override.version]], False, 0)) for override in plan.overrides
        )
        self._weights = plan.weights
        self._salts = tuple(bucket.salt(plan.name, version.name) for version in plan.versions)
        self._draws = tuple((edge, (leg, True, 0)) for edge, leg in zip(bucket.edges(plan.weights), legs, strict=True))
        sticky = plan.sticky
        self._by = sticky.by if sticky else ""
        name = sticky.name.encode() if sticky else b""
        self._cookie = headers.cookie_reader(name) if self._by == "cookie" else None
        self._header = name.lower() if self._by == "header" else b""

    def choose(self, request: Request, client: Client, chance: float) -> Choice[L]:
        """The version for a request; ``chance`` in [0, 1) decides where no user is known."""
        if self._overrides:
            for matcher, choice in self._overrides:
                if matcher.holds(request):
                    return choice
        if self._by:
            placed: tuple[Split[L], Choice[L]] | None = request.placed
            if placed is not None and placed[0] is self:
                return placed[1]
            key = self._key(request, client)
            if key:
                choice = self.legs[bucket.choose(key, self._salts, self._weights)], True, bucket.user_hash(key)
                request.placed = self, choice
                return choice
        for edge, choice in self._draws:  # a weight of 0 is never chosen, for its interval is empty
            if chance < edge:
                return choice
        raise AssertionError("chance is not below 1")

    def _key(self, request: Request, client: Client) -> bytes | None:
        if self._cookie is not None:
            return self._cookie(request.rest)
        if self._header:
            return headers.find(request.lines, self._header)
        return client.client(request)


class Nowhere(Split[L]):
    """Of a route that answers every request itself."""

    __slots__ = ()

    def __init__(self) -> None:
        """Nothing is set, for nothing is asked."""

    def choose(self, request: Request, client: Client, chance: float) -> Choice[L]:
        """Never called: the rules of such a route answer first."""
        raise AssertionError("a route without a service chooses no version")


class Way(Generic[L, R]):
    """Where a route leads: the split of its service, and what it does to requests beyond that (None: nothing, as most do).

    ``name`` says for people which route it is. ``hits`` are requests that were led here since they were last taken.
    """

    __slots__ = ("hits", "name", "rules", "split")

    def __init__(self, split: Split[L], rules: R | None = None, name: str = "") -> None:
        self.split = split
        self.rules = rules
        self.name = name
        self.hits = 0


class _Entry(Generic[L, R]):
    """A route ready to be tested. ``rank`` sorts routes that share host and path, best first."""

    __slots__ = ("matcher", "rank", "way")

    def __init__(self, route: Route, order: int, way: Way[L, R]) -> None:
        match = route.match
        self.matcher = Matcher(match, keyed=True)
        self.way = way
        self.rank = (not match.methods, -len(match.headers), -len(match.query), order)


class _Host(Generic[L, R]):
    """Routes of one host form, by path."""

    __slots__ = ("all_paths", "exact", "longest", "prefixes", "regexes")

    def __init__(self) -> None:
        self.exact: dict[bytes, list[_Entry[L, R]]] = {}
        self.prefixes: dict[bytes, list[_Entry[L, R]]] = {}
        self.regexes: list[_Entry[L, R]] = []
        self.longest = 0
        self.all_paths: Way[L, R] | None = None

    def add(self, route: Route, entry: _Entry[L, R]) -> None:
        match = route.match
        if match.path:
            self.exact.setdefault(match.path.encode(), []).append(entry)
        elif match.path_regex:
            self.regexes.append(entry)
        else:
            prefix = match.path_prefix.encode().rstrip(b"/")
            self.prefixes.setdefault(prefix, []).append(entry)
            self.longest = max(self.longest, len(prefix))

    def sort(self) -> None:
        for entries in (*self.exact.values(), *self.prefixes.values(), self.regexes):
            entries.sort(key=lambda entry: entry.rank)
        if not self.exact and not self.regexes and list(self.prefixes) == [b""] and self.prefixes[b""][0].matcher.always:
            self.all_paths = self.prefixes[b""][0].way  # the commonest host of all: everything to one service

    def find(self, request: Request) -> Way[L, R] | None:
        if self.all_paths is not None:
            return self.all_paths
        path = request.path
        if self.exact and (entries := self.exact.get(path)) and (way := _first(entries, request)):
            return way
        prefixes = self.prefixes
        if prefixes:
            # The path, cut to the longest prefix there is (8,000 slashes would cost 20 ms), then without its last segment, and so on
            # down to the empty prefix, which is "/".
            end = len(path)
            if end > self.longest:
                end = path.rfind(b"/", 0, self.longest + 1)
            while True:
                if (entries := prefixes.get(path[:end])) and (way := _first(entries, request)):
                    return way
                if end <= 0:
                    break
                end = path.rfind(b"/", 0, end)
        return _first(self.regexes, request) if self.regexes else None


def _first(entries: list[_Entry[L, R]], request: Request) -> Way[L, R] | None:
    for entry in entries:
        if entry.matcher.always or entry.matcher.holds(request):
            return entry.way
    return None


class Table(Generic[L, R]):
    """All routes of one plan. ``splits`` are by service name; ``generation`` is the plan's."""

    __slots__ = ("_any", "_by_start", "_hosts", "_wild", "generation", "splits", "ways")

    def __init__(self, plan: RoutePlan, legs: dict[str, list[L]], rules: Sequence[R | None] = ()) -> None:
        """``legs`` holds, by service name, a leg for each version; ``rules`` stand beside ``plan.routes``. Raises PlanRefused."""
        self.generation = plan.generation
        self.splits = {service.name: Split(service, legs[service.name]) for service in plan.services}
        self._hosts: dict[bytes, _Host[L, R]] = {}
        self._wild: dict[bytes, _Host[L, R]] = {}
        self._any: _Host[L, R] = _Host()
        # Without header conditions a start line and a host always lead to the same place, which the start line may then remember.
        self._by_start = not any(route.match.headers for route in plan.routes)
        self.ways: list[Way[L, R]] = []  # beside ``plan.routes``
        for order, route in enumerate(plan.routes):
            split = self.splits.get(route.service) if route.redirect is None else Nowhere()
            if split is None:
                raise PlanRefused(f"a route names the service {route.service!r}, which does not exist")
            way = Way(split, rules[order] if rules else None, route.match.name)
            self.ways.append(way)
            self._host_of(route).add(route, _Entry(route, order, way))
        for host in (*self._hosts.values(), *self._wild.values(), self._any):
            host.sort()

    def take_hits(self) -> dict[int, int]:
        """How many requests each route was given since the last call, by its place in the plan; routes without any are absent."""
        hits = {place: way.hits for place, way in enumerate(self.ways) if way.hits}
        for place in hits:
            self.ways[place].hits = 0
        return hits

    def _host_of(self, route: Route) -> _Host[L, R]:
        host = route.match.host.encode()
        if not host:
            return self._any
        if host.startswith(b"*."):
            return self._wild.setdefault(host[1:], _Host())
        return self._hosts.setdefault(host, _Host())

    def match(self, request: Request) -> Way[L, R] | None:
        """Where the best route that matches leads, or None when no route does."""
        routed = request.start.routed
        if routed is not None and routed[0] is self and routed[1] == request.host:
            return routed[2]  # type: ignore[return-value]  # it was this table that put it there
        way = self._search(request)
        if self._by_start:
            request.start.routed = (self, request.host, way)
        return way

    def _search(self, request: Request) -> Way[L, R] | None:
        host = request.host
        if self._hosts and (routes := self._hosts.get(host)) and (way := routes.find(request)):
            return way
        if self._wild:
            dot = host.find(b".")
            while dot >= 0:
                if (routes := self._wild.get(host[dot:])) and (way := routes.find(request)):
                    return way
                dot = host.find(b".", dot + 1)
        return self._any.find(request)
