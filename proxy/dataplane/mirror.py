"""Shadow traffic: copies of safe requests for a version whose answers nobody gets.

``Mirror`` is what a service's split carries: who is sampled, where copies go, how many there may be. ``Mirrored`` is one request with
its copies, from the sampling to the word about it. Every sampled request ends in exactly one result: match, mismatch, error,
uncompared, or dropped with its reason.

Nothing here can be waited for: the original is sent first, its answer is passed on first, and a copy has connections, time-outs and
bounds of its own. Only GET, HEAD and OPTIONS without a body are ever copied, and no configuration says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import random
from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.dataplane.capture import Capture, Tap
from proxy.dataplane.copying import Copy
from proxy.dataplane.pool import Pool
from proxy.model.pair import Pair, Seen
from proxy.model.service import Shadow
from proxy.routing.bucket import sampled
from proxy.telemetry.snapshot import ShadowDelta
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.exchange import Exchange
    from proxy.dataplane.plane import DataPlane

METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
"""What is copied: safe methods (RFC 9110 section 9.2.1). TRACE shows a request to whoever sent it, which here is nobody."""

RESULTS: Final = ("match", "mismatch", "error", "uncompared")
DROPPED: Final = ("in_flight", "memory", "stream", "original", "comparer")
"""Too many at a time; no room to keep answers; an event stream; the original had no answer of its own; nobody to compare in time."""


class Count:
    """What became of the copies for one version of a service, since it was last taken. It outlives plans."""

    __slots__ = ("dropped", "in_flight", "results", "sampled", "service", "version")

    def __init__(self, service: str, version: str) -> None:
        self.service = service
        self.version = version
        self.in_flight = 0
        self.sampled = 0
        self.results: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def take(self) -> ShadowDelta:
        """The counts since the last call, and the level now."""
        delta = ShadowDelta(
            service=self.service,
            version=self.version,
            sampled=self.sampled,
            results=self.results,
            dropped=self.dropped,
            in_flight=self.in_flight,
        )
        self.sampled, self.results, self.dropped = 0, {}, {}
        return delta

    def end(self, result: str) -> None:
        """One sampled request has this result."""
        self.results[result] = self.results.get(result, 0) + 1

    def drop(self, reason: str) -> None:
        """One sampled request was dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


class Mirror:
    """The copies of one service under one plan. ``pools`` are the shadow version's own, ``noise`` those of the noise version."""

    __slots__ = ("_noise", "_plane", "_pools", "_redacted", "_share", "count", "plan")

    def __init__(self, plane: DataPlane, plan: Shadow, count: Count, pools: Sequence[Pool], noise: Sequence[Pool]) -> None:
        self._plane = plane
        self._pools = pools
        self._noise = noise
        self._redacted = _lines_of(plan.redact)
        self._share = plan.percent_bp / 10_000
        self.plan = plan
        self.count = count

    def take(self, exchange: Exchange, request: Request, route: str, user: int) -> Mirrored | None:
        """The request's copies, not yet sent; None when it has none: a copy has none itself. ``user`` is a known user's hash, or 0."""
        if request.start.method not in METHODS or request.length or request.upgrade or request.shadow:
            return None
        if not sampled(user, self._share, random):
            return None
        count = self.count
        count.sampled += 1
        if count.in_flight >= self.plan.max_in_flight:
            count.drop("in_flight")
            return None
        return Mirrored(self._plane, self, exchange, request, route)

    def copied(self, head: bytes) -> bytes:
        """The head of a copy: the original's without what is redacted, and marked."""
        if self._redacted is not None:
            head = self._redacted.sub(b"", head)
        return head[:-2] + b"X-Headgate-Shadow: 1\r\n\r\n"

    @property
    def pools(self) -> tuple[Pool, ...]:
        """All that copies may use."""
        return (*self._pools, *self._noise)

    def places(self) -> list[Pool]:
        """An endpoint of the shadow version, and one of the noise version if there is one."""
        return [_any_of(pools) for pools in (self._pools, self._noise) if pools]


def _lines_of(names: Sequence[str]) -> re.Pattern[bytes] | None:
    """Matches each whole line of a header with one of these names, the line end before it included; None for no names."""
    any_name = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb"\r\n(?:" + any_name + rb"):[^\r\n]*", re.IGNORECASE) if names else None


def _any_of(pools: Sequence[Pool]) -> Pool:
    if len(pools) == 1:
        return pools[0]
    now = perf_counter()
    able = [pool for pool in pools if pool.out_until <= now] or pools
    return able[int(random() * len(able))]


class Mirrored:
    """One request and its copies. ``tap`` stands in the exchange's place at its connection."""

    __slots__ = ("_copies", "_failures", "_logs_in", "_mirror", "_original", "_over", "_plane", "_route", "_start", "_waiting", "tap")

    def __init__(self, plane: DataPlane, mirror: Mirror, exchange: Exchange, request: Request, route: str) -> None:
        self._plane = plane
        self._mirror = mirror
        self._start = request.start  # not the request itself: its object is the next one's as soon as it is answered
        self._logs_in = request.logs_in
        self._route = route
        self._original: Seen | None = None
        self._copies: list[Copy] = []
        self._failures: list[str] = []
        self._waiting = 0
        self._over = False
        self.tap = Tap(exchange, Capture(plane.mirrors.store, mirror.plan.max_bytes), self._streams)
        mirror.count.in_flight += 1

    def send(self, head: bytes) -> None:
        """Send the copies; the original has been sent."""
        plan = self._mirror.plan
        head_request = self._start.method == b"HEAD"
        marked = self._mirror.copied(head)
        for index, pool in enumerate(self._mirror.places()):
            copy = Copy(
                self._plane,
                pool,
                marked,
                Capture(self._plane.mirrors.store, plan.max_bytes),
                head_request=head_request,
                logs_in=self._logs_in,
                bytes_max=plan.max_bytes,
                timeout_s=plan.timeout_s,
                on_end=lambda failure, index=index: self._copied(index, failure),  # type: ignore[misc]  # mypy infers no default's type
            )
            self._copies.append(copy)
            self._failures.append("")
        self._waiting = len(self._copies)
        for copy in self._copies:
            copy.begin()

    def _streams(self) -> None:
        self._drop("stream")

    def original_ended(self, failure: str, *, its_own: bool) -> None:
        """The original is over. Without an answer of its own (its client left, we refused it) there is nothing to compare with."""
        if not its_own:
            self._drop("original")
        elif not self._over:
            if self.tap.capture.full:
                self._drop("memory")
                return
            self._original = self.tap.capture.seen(failure)
            self._settle()

    def _copied(self, index: int, failure: str) -> None:
        self._failures[index] = failure
        self._waiting -= 1
        self._settle()

    def _settle(self) -> None:
        if self._over or self._original is None or self._waiting:
            return
        if any(copy.capture.full for copy in self._copies):
            self._drop("memory")
            return
        count, plan = self._mirror.count, self._mirror.plan
        seen = [copy.capture.seen(failure) for copy, failure in zip(self._copies, self._failures, strict=True)]
        self._end()
        failed = bool(self._failures[0])
        if failed:
            count.end("error")
        elif not plan.compare:
            count.end("uncompared")
        if plan.compare:
            target = self._start.line.split(b" ")[1].decode("latin-1")
            method = self._start.method.decode("latin-1")
            pair = Pair(count.service, count.version, self._route, method, target, self._plane.mirrors.wall(), self._original, *seen)
            self._plane.mirrors.comparing.offer(pair, None if failed else count)

    def _drop(self, reason: str) -> None:
        if self._over:
            return
        self._end()
        self._mirror.count.drop(reason)
        for copy in self._copies:
            copy.give_up()

    def _end(self) -> None:
        self._over = True
        self._mirror.count.in_flight -= 1
        for capture in (self.tap.capture, *(copy.capture for copy in self._copies)):
            capture.close()
