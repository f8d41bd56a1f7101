"""Routes: what they match, and what they do to a request on its way. Frozen nouns; precedence is ``routing.table``'s business."""

from __future__ import annotations

from typing import Literal

import msgspec


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is set must hold. At most one of ``path``, ``path_prefix``, ``path_regex`` is set; none means every path.

    ``host`` is lower case without port, exact or ``*.suffix``; empty for any. ``headers`` names are lower case and values exact.
    ``query`` values are compared after percent-decoding. ``path_prefix`` matches whole segments: ``/a`` does not match ``/ab``.
    """

    host: str = ""
    path: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """For people: methods, host and path, like ``GET shop.example.com/api/``; conditions on headers and query are not in it."""
        path = self.path or f"{self.path_prefix.rstrip('/')}/*" if not self.path_regex else f"~{self.path_regex}"
        return " ".join((",".join(self.methods), f"{self.host or '*'}{path}")).strip()


class HeaderRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Changes of one head: ``remove`` takes every line of a name out, ``set`` puts one in their place, ``add`` one beside them."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class Rewrite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``prefix`` stands in for the path or path prefix that matched; ``host`` for the Host the client sent. Empty: as it was."""

    prefix: str = ""
    host: str = ""


class Redirect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where clients are sent: all of ``to``, or what the client asked for with ``scheme``, ``host`` (and port), ``path`` replaced."""

    to: str = ""
    scheme: Literal["", "http", "https"] = ""
    host: str = ""
    path: str = ""
    status: Literal[301, 302, 307, 308] = 302


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``requests`` per ``per_s`` seconds in the long run and ``burst`` at once, for each key. ``header`` (lower case) is the key's."""

    requests: int
    per_s: float
    burst: int
    key: Literal["client_ip", "header", "none"] = "client_ip"
    header: str = ""


class RouteTimeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Seconds; None is the service's own."""

    connect_s: float | None = None
    response_s: float | None = None
    idle_s: float | None = None


NO_RULES = HeaderRules()
AS_ASKED = Rewrite()
AS_SERVICE = RouteTimeouts()


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Requests that match go to ``service``, or get ``redirect`` and then ``service`` is empty.

    The order of routes in a plan is the order of the file. ``body_limit`` is in bytes; None is no limit.
    """

    match: Match
    service: str = ""
    request_headers: HeaderRules = NO_RULES
    response_headers: HeaderRules = NO_RULES
    rewrite: Rewrite = AS_ASKED
    redirect: Redirect | None = None
    timeouts: RouteTimeouts = AS_SERVICE
    body_limit: int | None = None
    rate_limit: RateLimit | None = None
