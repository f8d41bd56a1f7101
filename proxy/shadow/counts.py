"""What pairs have shown so far, by route and path: how often only the copy differed, only the noise leg, or both. Counts, no verdict.

All of it is one struct, so it is kept and sent as it is. Bounded: ``limits.COMPARED_ROUTES_MAX`` routes and
``limits.COMPARED_PATHS_MAX`` paths; those that come later are counted together under ``OTHER``, allowed ones under ``OTHER_ALLOWED``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy import limits
from proxy.model.pair import Pair
from proxy.shadow import redact
from proxy.shadow.compare import Rules, compare
from proxy.shadow.json_diff import Difference
from proxy.shadow.ratio import Ratios
from proxy.shadow.reply import Reply

OTHER: Final = "(other)"
OTHER_ALLOWED: Final = "(other, allowed)"
"""Where what is over the bounds is counted; allowed paths apart, for together with others they could not be told from them."""

_NONE: Final = Rules()


class Sample(msgspec.Struct, frozen=True):
    """One pair that differed at a path, for people: when, which request, and both values in short."""

    at_s: float
    method: str
    target: str
    original: str
    copy: str


class PathCount(msgspec.Struct):
    """Pairs that differed at one path in one way. ``unpaired`` are those whose noise leg did not answer, or that have none."""

    path: str
    kind: str
    copy_only: int = 0
    noise_only: int = 0
    both: int = 0
    unpaired: int = 0
    first_s: float = 0.0
    samples: list[Sample] = []

    @property
    def differing(self) -> int:
        """Pairs in which the copy differed here."""
        return self.copy_only + self.both + self.unpaired


class RouteCount(msgspec.Struct):
    """Pairs of one route. ``differing`` pairs differ anywhere but where the rules look away; ``failed`` copies broke."""

    route: str
    compared: int = 0
    differing: int = 0
    failed: int = 0
    noise_compared: int = 0
    paths: dict[str, PathCount] = {}
    latency: Ratios = msgspec.field(default_factory=Ratios)


class Counts(msgspec.Struct):
    """Everything counted of one service's copies to one version since ``since_s`` (Unix time)."""

    service: str
    version: str
    since_s: float
    noise: str = ""
    routes: dict[str, RouteCount] = {}

    def add(self, pair: Pair, rules: Rules, allow: Rules = _NONE) -> list[Difference]:
        """Compare a pair by ``rules`` and count it; its differences are returned, the noise leg's aside."""
        route = self._route(pair.route)
        original, copy = Reply.of(pair.original), Reply.of(pair.copy)
        found = compare(original, copy, rules)
        noise = None if pair.noise is None else {(d.path, d.kind) for d in compare(original, Reply.of(pair.noise), rules)}
        route.compared += 1
        route.differing += bool(found)
        route.failed += bool(pair.copy.failure)
        route.noise_compared += noise is not None
        if not (original.failure or copy.failure):
            route.latency.add(original.duration_s, copy.duration_s)
        for difference in found:
            self._count(route, difference, noise, pair, allow)
        for path, kind in (noise or set()) - {(d.path, d.kind) for d in found}:
            self._path(route, path, kind, pair.at_s, allow).noise_only += 1
        return found

    def _count(self, route: RouteCount, difference: Difference, noise: set[tuple[str, str]] | None, pair: Pair, allow: Rules) -> None:
        count = self._path(route, difference.path, difference.kind, pair.at_s, allow)
        if noise is None:
            count.unpaired += 1
        elif (difference.path, difference.kind) in noise:
            count.both += 1
        else:
            count.copy_only += 1
        if len(count.samples) < limits.SAMPLES_PER_PATH_MAX:
            target = redact.target(pair.target)[: limits.DIFFERENCE_CHARS_MAX]
            one, other = difference.original, difference.copy
            if redact.sensitive(difference.path):
                one, other = (redact.HIDDEN if shown else "" for shown in (one, other))
            count.samples.append(Sample(pair.at_s, pair.method, target, one, other))

    def _route(self, name: str) -> RouteCount:
        if name not in self.routes and len(self.routes) >= limits.COMPARED_ROUTES_MAX:
            name = OTHER
        return self.routes.setdefault(name, RouteCount(name))

    def _path(self, route: RouteCount, path: str, kind: str, at_s: float, allow: Rules) -> PathCount:
        key = key_of(path, kind)
        if key not in route.paths and self.paths >= limits.COMPARED_PATHS_MAX:
            key = path = OTHER_ALLOWED if allow.cover(path) else OTHER
            kind = ""
        return route.paths.setdefault(key, PathCount(path, kind, first_s=at_s))

    @property
    def paths(self) -> int:
        """How many (route, path, kind) there are; what is counted together is two for each route at most."""
        return sum(len(route.paths) for route in self.routes.values())

    @property
    def compared(self) -> int:
        """Pairs compared."""
        return sum(route.compared for route in self.routes.values())

    @property
    def failed(self) -> int:
        """Of those, the ones whose copy broke."""
        return sum(route.failed for route in self.routes.values())


def key_of(path: str, kind: str) -> str:
    """A path and a kind as the key of ``RouteCount.paths``."""
    return f"{path} {kind}"
