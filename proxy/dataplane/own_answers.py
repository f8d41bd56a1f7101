"""Requests that the proxy answers before any version is chosen, or that no version is to blame for: counted, logged and traced alike.

Every such answer passes here exactly once, so counters, log and spans cannot tell different stories. Knows nothing of connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.forwarding import Peer
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

WORDS: Final[dict[int, str]] = {
    301: "redirect",
    302: "redirect",
    307: "redirect",
    308: "redirect",
    400: "malformed",
    404: "no_route",
    405: "method",
    408: "too_slow",
    413: "body_limit",
    414: "target_limit",
    417: "expectation",
    421: "misdirected",
    429: "rate_limit",
    431: "head_limit",
    499: "gone",
    501: "not_implemented",
    503: "busy",
    505: "http_version",
    508: "loop",
}
"""What the access log and spans call our own answers, and the want of one: 499 is never sent."""


class OwnAnswers:
    """Of one worker."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._unmatched: dict[int, int] = {}
        self._of_services: dict[str, dict[int, int]] = {}

    def tell(self, code: int, reason: str, request: Request | None, peer: Peer, service: str = "", took_s: float = 0.0) -> None:
        """One answer was given, to ``request``, or with None to one that could not be read. ``reason`` is our sentence, or empty.

        ``service`` is that of its route, empty without a route. ``took_s`` is how long we waited for the request, or nothing.
        """
        codes = self._of_services.setdefault(service, {}) if service else self._unmatched
        codes[code] = codes.get(code, 0) + 1
        plane = self._plane
        if plane.access_log is None and plane.tracer is None:
            return
        own = WORDS[code]
        log = plane.access_log
        if log is not None and log.wanted(False):
            request_id = plane.request_ids.keep_or_make(request.request_id) if request is not None else b""
            plane.log_access(request, peer, (service, ""), (code, None, took_s, 0, "", False, own, reason), request_id)
        tracer = plane.tracer
        if tracer is not None and (span := tracer.span(request)) is not None:
            tracer.ended(span, request, (service, "", code, None, own), took_s)

    def take_unmatched(self) -> dict[int, int]:
        """Answers to requests of no service, by code, since the last call."""
        unmatched, self._unmatched = self._unmatched, {}
        return unmatched

    def take_of_services(self) -> dict[str, dict[int, int]]:
        """Answers to requests for a service that no version saw, by service and code, since the last call."""
        own, self._of_services = self._of_services, {}
        return own
