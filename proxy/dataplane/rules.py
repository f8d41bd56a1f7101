"""What a route does to its requests beyond naming a service, compiled once a plan. A route that does nothing more has no rules at all.

Header rules may touch no field that frames a message, belongs to one connection, or that the proxy stands by (``wire.headers``:
UNRULED_*); a worker refuses a plan that tries. The forwarded target stays in the normal form it was routed on. Knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from proxy.dataplane.rate import Client, Limiter
from proxy.dataplane.redirecting import Redirection
from proxy.errors import DownstreamError, PlanRefused
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import NO_RULES, HeaderRules, Match, RateLimit, Route
from proxy.model.service import Timeouts
from proxy.wire import target as targets
from proxy.wire.headers import UNRULED_REQUEST, UNRULED_RESPONSE, BadLine, parse_host, split_line
from proxy.wire.request import Request, Start

LimiterKey = tuple[Match, RateLimit, int]
"""What makes two limits the same, whatever else a new plan changes; the number is that of workers."""


_IN_PATHS = bytes(c for c in targets.LEGAL if c != ord("?"))


class HeadRules:
    """Header rules, compiled: lines to drop, and lines to put in at the end."""

    __slots__ = ("_added", "_drop")

    def __init__(self, rules: HeaderRules, forbidden: frozenset[bytes], also_drop: tuple[str, ...] = ()) -> None:
        """Raises PlanRefused when a name is forbidden or a line is not valid."""
        pairs = [(name.encode(), value.encode()) for name, value in (*rules.set, *rules.add)]
        dropped = [name.encode() for name in (*rules.remove, *(name for name, _ in rules.set))]
        for name, value in (*pairs, *((name, b"") for name in dropped)):
            try:
                split_line(name + b":" + value)
            except BadLine as error:
                raise PlanRefused(f"header rule for {name.decode()!r}: {error.reason}") from None
            if name.lower() in forbidden:
                raise PlanRefused(f"header rule for {name.decode()!r}: no rule may touch this field")
        self._added = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        names = [*dropped, *(name.encode() for name in also_drop)]
        self._drop = re.compile(rb"\r\n(?:%b):[^\r\n]*" % b"|".join(map(re.escape, names)), re.IGNORECASE) if names else None

    def apply(self, head: bytes) -> bytes:
        """``head`` (it may lack its first line, but not that line's CRLF) under these rules. Lines hold no CR or LF of their own."""
        if self._drop is not None:
            head = self._drop.sub(b"", head)
        return head[:-2] + self._added + b"\r\n" if self._added else head

    @classmethod
    def of(cls, rules: HeaderRules, forbidden: frozenset[bytes], also_drop: tuple[str, ...] = ()) -> HeadRules | None:
        """The rules compiled, or None when there are none."""
        return cls(rules, forbidden, also_drop) if rules != NO_RULES or also_drop else None


class OwnAnswer(NamedTuple):
    """``reason`` is one of our sentences; ``extra`` one more field line, or empty."""

    status: int
    reason: str = ""
    extra: bytes = b""


class Rules:
    """One route's. ``connect_s``, ``response_s`` and ``idle_s`` are the route's or else its service's; ``body_limit`` is in bytes."""

    __slots__ = (
        "_host_line",
        "_last",
        "_last_ruled",
        "_limiter",
        "_prefix_bytes",
        "_redirect",
        "_request",
        "_response",
        "_rewrite",
        "body_limit",
        "connect_s",
        "idle_s",
        "response_s",
        "service",
    )

    def __init__(self, route: Route, service: ServicePlan | None, limiter: Limiter | None) -> None:
        """Raises PlanRefused."""
        rewrite, match, own = route.rewrite, route.match, route.timeouts
        given = Timeouts() if service is None else service.timeouts
        self.service = "" if service is None else service.name
        self._redirect = None if route.redirect is None else Redirection(route.redirect)
        self._limiter = limiter
        self._request = HeadRules.of(route.request_headers, UNRULED_REQUEST, ("host",) if rewrite.host else ())
        self._response = HeadRules.of(route.response_headers, UNRULED_RESPONSE)
        self._host_line = b"\r\nHost: " + rewrite.host.encode() if rewrite.host else b""
        if rewrite.host:
            _check_host(rewrite.host)
        self._rewrite = rewrite.prefix.encode()
        self._prefix_bytes = len((match.path or match.path_prefix.rstrip("/")).encode())
        if self._rewrite and (match.path_regex or not _is_normal(self._rewrite)):
            raise PlanRefused(f"rewrite to {rewrite.prefix!r}: needs a path or path_prefix, and a path in normal form")
        self.connect_s = given.connect_s if own.connect_s is None else own.connect_s
        self.response_s = given.response_s if own.response_s is None else own.response_s
        self.idle_s = given.idle_s if own.idle_s is None else own.idle_s
        self.body_limit = route.body_limit
        self._last = self._last_ruled = b""  # an origin repeats its head to the letter for up to a second

    def own_answer(self, request: Request, client: Client, now: float) -> OwnAnswer | None:
        """What the proxy answers by itself before any version is chosen, or None: the request goes on."""
        if self._redirect is not None:
            location = self._redirect.location(request)
            if not location:
                return OwnAnswer(400, "it names no host, which the redirect of this route needs")
            return OwnAnswer(self._redirect.status, extra=b"Location: " + location)
        if self._limiter is not None and (wait_s := self._limiter.wait_s(request, client, now)):
            return OwnAnswer(429, extra=b"Retry-After: %d" % wait_s)
        if self.body_limit is not None and request.length > self.body_limit:
            return OwnAnswer(413, "it is larger than this route allows")
        return None

    def request_head(self, start: Start, head: bytes) -> bytes:
        """The whole head for the origin, from the one that would be sent without rules; it begins with ``start.line``."""
        tail = head[len(start.line) :]
        if self._request is not None:
            tail = self._request.apply(tail)
        return self._line(start) + self._host_line + tail

    def _line(self, start: Start) -> bytes:
        line = start.line
        if not self._rewrite:
            return line
        method, target, version = line.split(b" ")
        if target == b"*":
            return line
        rest = target[self._prefix_bytes :]
        if rest[:1] == b"/":
            # One slash where the two meet: `/api//evil.example` must not become a target that reads as an authority.
            return b"%b %b/%b %b" % (method, self._rewrite.rstrip(b"/"), rest.lstrip(b"/"), version)
        return b"%b %b%b %b" % (method, self._rewrite, rest, version)

    def response_head(self, head: bytes) -> bytes:
        """The whole head for the client."""
        if self._response is None:
            return head
        if head is not self._last:
            self._last, self._last_ruled = head, self._response.apply(head)
        return self._last_ruled


def _check_host(host: str) -> None:
    try:
        parse_host(host.encode())
    except BadLine:
        raise PlanRefused(f"rewrite to the host {host!r}: this is no host") from None


def _is_normal(path: bytes) -> bool:
    try:
        return path[:1] == b"/" and path[:2] != b"//" and not path.translate(None, _IN_PATHS) and targets.normalise(path) == path
    except DownstreamError:
        return False


class Rulebook:
    """The rules of all routes, plan after plan: what outlives one is the state of rate limits."""

    def __init__(self) -> None:
        self._limiters: dict[LimiterKey, Limiter] = {}

    def compile(self, plan: RoutePlan) -> list[Rules | None]:
        """Rules beside ``plan.routes``; None for a route that only names its service. Raises PlanRefused."""
        services = {service.name: service for service in plan.services}
        return [self._compiled(route, services, plan.workers) for route in plan.routes]

    def _compiled(self, route: Route, services: Mapping[str, ServicePlan], workers: int) -> Rules | None:
        if route == Route(route.match, route.service):
            return None
        service = services.get(route.service)
        if service is None and route.redirect is None:
            raise PlanRefused(f"a route names the service {route.service!r}, which does not exist")
        limiter = None
        if route.rate_limit is not None:
            key = route.match, route.rate_limit, workers
            limiter = self._limiters.get(key)
            if limiter is None:
                limiter = self._limiters[key] = Limiter(route.rate_limit, workers)
        return Rules(route, service, limiter)

    def commit(self, plan: RoutePlan) -> None:
        """``plan`` is served from now on: limits it does not have are over."""
        used = {(route.match, route.rate_limit, plan.workers) for route in plan.routes if route.rate_limit is not None}
        self._limiters = {key: limiter for key, limiter in self._limiters.items() if key in used}

    def take_evicted(self) -> int:
        """Keys of rate limits forgotten before their time, since the last call."""
        return sum(limiter.take_evicted() for limiter in self._limiters.values())
