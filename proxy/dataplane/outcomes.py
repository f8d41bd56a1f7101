"""One request under way: what it has taken, and its one end.

Every way out of an exchange ends in ``_finish``, exactly once for each version that was asked: it alone gives back what was taken,
counts and logs. Who fails, and what is tried before that, is decided in ``attempts`` and ``exchange``.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from proxy.dataplane.backlog import Ticket
from proxy.dataplane.own_answers import WORDS
from proxy.dataplane.retrying import Replay
from proxy.errors import UpstreamError
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.connection import ClientConnection
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.mirror import Mirrored
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Attempt, Pool
    from proxy.dataplane.rules import Rules
    from proxy.dataplane.tracing import Span
    from proxy.dataplane.upstream import Upstream


class Outcomes:
    """The state of an exchange. Its object is reused: what most requests never change is renewed only after one that did."""

    __slots__ = (
        "_answered",
        "_attempt",
        "_budgeted",
        "_chunk_out",
        "_down",
        "_drawn",
        "_head",
        "_held",
        "_irregular",
        "_leg",
        "_mirrored",
        "_pending",
        "_plane",
        "_pool",
        "_reconnected",
        "_relayed",
        "_replay",
        "_request",
        "_request_id",
        "_retries",
        "_rules",
        "_span",
        "_started",
        "_status",
        "_streams",
        "_ticket",
        "_tried",
        "_upstream",
        "_user",
        "body_room",
        "head_request",
        "idle_s",
        "request_sent",
        "trailers",
    )

    def __init__(self, plane: DataPlane, down: ClientConnection) -> None:
        # connection
        self._plane = plane
        self._down = down
        # request: most of it is set when it begins
        self.head_request: bool
        self.request_sent: bool
        self.idle_s: float
        self._request: Request
        self._request_id: bytes
        self._head: bytes
        self._pool: Pool
        self._drawn: bool
        self._user: int
        self._started: float
        self._status: int
        self._leg: Leg | None = None  # set from the choice of a version to the outcome: the exchange is active
        self._upstream: Upstream | None = None
        self._attempt: Attempt | None = None
        self._answered = False
        self._irregular = False  # one of those below is not as it is here
        self._renew()

    def _renew(self) -> None:
        """What most requests never change."""
        self._pending: list[bytes] = []  # of the body, until there is a connection
        self._rules: Rules | None = None  # its route's, where that does more than name a service
        self._span: Span | None = None  # its place in a trace, while tracing is on
        self.body_room: int | None = None  # bytes that a chunked body may still have, where the route bounds it
        self._replay: Replay | None = None  # of the body, while all of it can be sent again
        self._mirrored: Mirrored | None = None  # its copies, if it has any
        self._tried: list[Pool] = []
        self._reconnected = False  # a dead idle connection was replaced, which is done once
        self._relayed = False  # an interim answer has gone to the client
        self._retries = 0
        self._budgeted = 0
        self._ticket: Ticket | None = None  # it waits for an endpoint to have room
        self._held = b""  # the head of an answer, until what of its body came with it can be read
        self._chunk_out = False
        self._streams = False  # the answer is an event stream
        self.trailers: list[bytes] = []

    @property
    def active(self) -> bool:
        """Whether a request is in flight."""
        return self._leg is not None

    def _fail(self, status: int, error: UpstreamError) -> None:
        now = perf_counter()
        if self._answered:
            self._finish(self._status, error.cause, now, self._drawn)
            self._down.abort()  # rule 34: a body cut short must not look whole
        else:
            self._finish(status, error.cause, now, self._drawn)
            self._down.reply(status, error.reason)

    def refused(self, status: int, reason: str) -> None:
        """The client broke the rules in its body: nobody's failure. The caller answers, if nothing was answered yet."""
        self._drop_upstream()
        self._finish(status, None, perf_counter(), False, reason=reason)

    @property
    def answered(self) -> bool:
        """Whether a head has been sent to the client."""
        return self._answered

    def client_gone(self) -> None:
        """The client left before its answer was whole: 499, charged to nobody (rule 37)."""
        self._drop_upstream()
        self._finish(499, None, perf_counter(), False, reason="the client left before its answer was whole")

    def part(self) -> None:
        """The client connection is over, and asks no more: without it, for a cycle of the two would wait for the collector."""
        del self._down

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.abandon()
            self._upstream = None
        if self._attempt is not None:
            self._attempt.waiter = None
            self._attempt = None
        if self._ticket is not None:
            self._ticket.leave()
            self._ticket = None

    def _finish(
        self, code: int, cause: str | None, now: float, drawn: bool, answered_by: str = "", limited: bool = False, reason: str = ""
    ) -> None:
        """The one end of every exchange: count it, log it, be ready for the next. ``reason`` is why no version is to blame."""
        leg = self._leg
        assert leg is not None, "an exchange ends once"
        self._leg = None
        self._pool.active -= 1
        cell = leg.cell
        cell.in_flight -= 1
        plane = self._plane
        if reason:
            cell.turned_away(code)
        elif cell.record(code, cause, now - self._started, drawn, self._user):
            plane.on_urgent()
        log = plane.access_log
        if log is not None and log.wanted(cause is not None):
            own = WORDS[code] if reason else ""
            outcome = code, cause, now - self._started, self._retries, answered_by, limited, own, reason
            plane.log_access(self._request, self._down.peer, (cell.service, cell.version), outcome, self._request_id)
        if self._irregular:
            self._irregular = False
            for _ in range(self._budgeted):
                leg.budget.give()
            if self._replay is not None:
                self._replay.free()
            if self._mirrored is not None:
                self._mirrored.original_ended("" if cause == "status_5xx" else cause or "", its_own=not reason)
            rules, span, room = self._rules, self._span, self.body_room
            self._renew()
            if answered_by:  # it goes on elsewhere, as the same request
                self._rules, self._span, self.body_room = rules, span, room
            elif span is not None and plane.tracer is not None:
                own = WORDS[code] if reason else ""
                plane.tracer.ended(span, self._request, (cell.service, cell.version, code, cause, own), now - self._started)
        if leg.backlog is not None:
            leg.backlog.wake()
