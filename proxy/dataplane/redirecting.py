"""Where a route that redirects sends a request, as the value of a Location field.

Facts. RFC 9110 section 10.2.2: Location is a URI reference, resolved against the request's own target. So a new host without a new
scheme is written ``//host/path``, and keeps whatever scheme the client used, also in front of a proxy that ends TLS. Nothing of the
client's stands first in the value, or a path of ``//evil.example`` would read as a host.
"""

from __future__ import annotations

from proxy.errors import PlanRefused
from proxy.model.route import Redirect
from proxy.wire import target
from proxy.wire.request import Request


class Redirection:
    """One route's."""

    __slots__ = ("_host", "_path", "_scheme", "_to", "status")

    def __init__(self, plan: Redirect) -> None:
        """Raises PlanRefused."""
        self._to, self._scheme, self._host, self._path = (x.encode() for x in (plan.to, plan.scheme, plan.host, plan.path))
        self.status = plan.status
        if b"".join((self._to, self._scheme, self._host, self._path)).translate(None, target.LEGAL + b"#"):
            raise PlanRefused("a redirect has characters in it that no URL has")
        if self._path and (self._path[:1] != b"/" or self._path[:2] == b"//"):
            raise PlanRefused(f"redirect to the path {plan.path!r}: it must begin with one slash")

    def location(self, request: Request) -> bytes:
        """The value; empty when the request names no host and one is needed."""
        if self._to:
            return self._to
        path = self._path or request.path
        if request.query:
            path += b"?" + request.query
        if not self._scheme and not self._host:
            return path
        # Without its port, which belonged to the other scheme, unless the scheme stays.
        host = self._host or (request.host if self._scheme else request.authority)
        if not host:
            return b""
        return (self._scheme + b":" if self._scheme else b"") + b"//" + host + path
