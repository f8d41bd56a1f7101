"""Getting one request answered: its endpoint, its connection, what follows a failure, and its one end. All outcomes are decided here.

A failure is tried again where that is safe (rule 38) and allowed (``retrying``), answered by stable where the service says so, and else
told to the client. Every way out ends in ``_finish`` exactly once for each version that was asked. Knows nothing of bodies but whether
they can be sent again; nothing may follow a failure once a byte of an answer was relayed.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.dataplane.backlog import Ticket
from proxy.dataplane.own_answers import WORDS
from proxy.dataplane.retrying import Replay
from proxy.errors import UpstreamError
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.connection import ClientConnection
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Attempt, Pool
    from proxy.dataplane.rules import Rules
    from proxy.dataplane.tracing import Span
    from proxy.dataplane.upstream import Upstream


class Attempts:
    """The origin's half of an exchange."""

    __slots__ = (
        "_answered",
        "_attempt",
        "_budgeted",
        "_chunk_out",
        "_down",
        "_drawn",
        "_head",
        "_irregular",
        "_leg",
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
        self._tried: list[Pool] = []
        self._reconnected = False  # a dead idle connection was replaced, which is done once
        self._relayed = False  # an interim answer has gone to the client
        self._retries = 0
        self._budgeted = 0
        self._ticket: Ticket | None = None  # it waits for an endpoint to have room
        self._chunk_out = False
        self._streams = False  # the answer is an event stream
        self.trailers: list[bytes] = []

    @property
    def active(self) -> bool:
        """Whether a request is in flight."""
        return self._leg is not None

    # -- connections --------------------------------------------------------------------------------------------------------------

    def _forward(self, pool: Pool, leg: Leg, now: float) -> None:
        self._pool = pool
        pool.active += 1
        upstream = pool.take()
        if upstream is not None and (self._request.length < 0 or not self._repeatable):
            while upstream is not None and not upstream.alive():  # rule 38: it could not be tried again
                upstream.close()
                upstream = pool.take()
        if upstream is None:
            self._attempt = pool.connect(self, (self._rules or leg).connect_s)
        else:
            self._send_head(upstream, leg, now)

    @property
    def _repeatable(self) -> bool:
        """Whether the request may be sent twice: idempotent (RFC 9110 section 9.2.2), and its body none or still kept."""
        return self._request.start.idempotent and (not self._request.length or self._replay is not None)

    @property
    def logs_in(self) -> bool:
        """Whether its connection may be its user's from now on, and so nobody else's (rule 39)."""
        return self._request.logs_in

    def _send_head(self, upstream: Upstream, leg: Leg, now: float) -> None:
        raise NotImplementedError

    def connected(self, upstream: Upstream) -> None:
        """The connection asked for is there."""
        self._attempt = None
        assert self._leg is not None
        self._send_head(upstream, self._leg, perf_counter())

    def connect_failed(self, pool: Pool, *, timed_out: bool) -> None:
        """It is not. Nothing of the request was sent, so another endpoint of the same version may have it."""
        self._attempt = None
        leg = self._leg
        assert leg is not None
        if len(self._tried) < limits.CONNECT_TRIES_MAX - 1 and (other := leg.pick([*self._tried, pool])) is not None:
            self._count_retry(leg)
            self._move(other, leg)
            return
        self._failed(504 if timed_out else 502, UpstreamError("connect", "it could not be reached"), seen=False)

    def _unplaced(self, leg: Leg, now: float) -> None:
        """No endpoint of the version can take the request: they are down, or they have all they may have, and then it waits."""
        bounds = leg.limits
        self._pool = leg.nowhere
        leg.nowhere.active += 1
        if bounds is None or leg.backlog is None or not leg.healthy:
            self._failed(503, UpstreamError("no_endpoint", "none of its endpoints is healthy"), seen=False)
            return
        self._irregular = True
        self._ticket = leg.backlog.join(self, bounds.queue, now, bounds.queue_timeout_s)
        if self._ticket is None:
            self._limited(leg)

    def place_found(self) -> bool:
        """Asked while it waits: whether there is room for it now, which it then takes."""
        leg = self._leg
        assert leg is not None
        pool = leg.pick()
        if pool is None:
            return False
        self._ticket = None
        self._pool.active -= 1
        self._name_host(pool)
        self._forward(pool, leg, perf_counter())
        return True

    def gave_up(self) -> None:
        """It waited as long as it may."""
        self._ticket = None
        assert self._leg is not None
        self._limited(self._leg)

    def _limited(self, leg: Leg) -> None:
        """Refuse for our own sake: nobody's failure."""
        leg.cell.limited += 1
        reason = "as many requests as allowed are under way"
        self._finish(503, None, perf_counter(), False, limited=True, reason=reason)
        self._down.reply(503, reason)

    # -- the ways out -------------------------------------------------------------------------------------------------------------

    def upstream_failed(self, error: UpstreamError) -> None:
        """The origin broke. Tried again once, on a fresh connection, when it cannot have begun to act on the request (rule 38)."""
        upstream, leg = self._upstream, self._leg
        assert upstream is not None
        assert leg is not None
        self._upstream = None
        upstream.abandon()
        if error.cause == "reset" and upstream.reused and not upstream.seen and not self._reconnected and self._repeatable:
            self._reconnected = True
            self._count_retry(leg)
            self._rewind()
            self._attempt = self._pool.connect(self, (self._rules or leg).connect_s)
            return
        self._failed(504 if error.cause == "timeout" else 502, error, seen=upstream.seen)

    def _failed(self, status: int, error: UpstreamError, *, seen: bool) -> None:
        """An attempt came to nothing; ``seen`` says whether bytes of an answer had arrived."""
        leg = self._leg
        assert leg is not None
        if leg.ejector is not None and self._pool is not leg.nowhere:
            leg.ejector.saw(self._pool, False, perf_counter())
        if leg.second:
            if self._retriable("" if seen and error.cause == "reset" else error.cause, leg):
                self._retry(leg)
                return
            if self._replaceable(leg):
                self._fall_back(status, error.cause, leg)
                return
        self._fail(status, error)

    def declines(self, status: int) -> bool:
        """Whether this 5xx answer, whose head has just arrived, will not be relayed, because the request is answered elsewhere."""
        leg = self._leg
        assert leg is not None
        if not leg.second:
            return False
        return (status == 503 and self._retriable("status_503", leg)) or self._replaceable(leg)

    def declined(self, status: int) -> None:
        """The connection has let go of the answer that ``declines`` did not want: go elsewhere."""
        leg = self._leg
        assert leg is not None
        self._upstream = None
        if leg.ejector is not None:
            leg.ejector.saw(self._pool, False, perf_counter())
        if status == 503 and self._retriable("status_503", leg):
            self._retry(leg)
        else:
            self._fall_back(status, "status_5xx", leg)

    def _retriable(self, cause: str, leg: Leg) -> bool:
        """Whether policy, the request and the budget allow another attempt after this failure. Nothing may have been relayed."""
        plan = leg.retries
        if plan is None or cause not in plan.on or self._budgeted >= plan.attempts:
            return False
        if self._answered or self._relayed or not self._repeatable:
            return False
        if leg.retry_allowed:
            return True
        leg.cell.retries_refused += 1
        return False

    def _retry(self, leg: Leg) -> None:
        self._irregular = True
        self._budgeted += 1
        leg.budget.take()
        self._count_retry(leg)
        self._rewind()
        self._move(leg.pick([*self._tried, self._pool]) or self._pool, leg)

    def _replaceable(self, leg: Leg) -> bool:
        """Whether stable may answer instead: a safe request that the split drew. An override asked for this version and gets it."""
        if leg.fallback is None or not self._drawn or self._answered or self._relayed:
            return False
        return self._request.start.safe and self._repeatable

    def _fall_back(self, status: int, cause: str, leg: Leg) -> None:
        """Charge the candidate with its failure, then begin again on stable, for which this is no draw."""
        stable = leg.fallback
        assert stable is not None
        now = perf_counter()
        self._rewind()
        pending, replay, self._replay = self._pending, self._replay, None
        leg.cell.fell_back()
        self._finish(status, cause, now, True, answered_by=stable.cell.version)
        self._irregular = True
        self._pending, self._replay = pending, replay
        stable.cell.in_flight += 1
        self._leg = stable
        self._drawn = False
        self._started = now
        pool = stable.only or stable.pick()
        if pool is None:
            self._unplaced(stable, now)
            return
        self._name_host(pool)
        self._forward(pool, stable, now)

    def _count_retry(self, leg: Leg) -> None:
        self._irregular = True
        self._retries += 1
        leg.cell.retries += 1

    def _rewind(self) -> None:
        """The body begins anew on the next connection."""
        if self._replay is not None:
            self._pending = list(self._replay.pieces)

    def _move(self, pool: Pool, leg: Leg) -> None:
        """Give up the endpoint there was for another one."""
        self._pool.active -= 1
        self._tried.append(self._pool)
        self._name_host(pool)
        self._forward(pool, leg, perf_counter())

    def _name_host(self, pool: Pool) -> None:
        if not self._request.host:  # HTTP/1.0 without one: the origin's own name stands in
            self._request.onward = None
            self._write_head(pool)

    def _write_head(self, pool: Pool) -> None:
        """The head that the origin gets."""
        self._head = self._special(self._down.peer.head(self._request, self._request_id, pool.host_line))

    def _special(self, head: bytes) -> bytes:
        """The head under the rules of the route, and with a place in a trace."""
        if self._rules is not None:
            head = self._rules.request_head(self._request.start, head)
        if self._span is not None and self._span.line:
            head = head[:-2] + self._span.line + b"\r\n"
        return head

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
            rules, span, room = self._rules, self._span, self.body_room
            self._renew()
            if answered_by:  # it goes on elsewhere, as the same request
                self._rules, self._span, self.body_room = rules, span, room
            elif span is not None and plane.tracer is not None:
                own = WORDS[code] if reason else ""
                plane.tracer.ended(span, self._request, (cell.service, cell.version, code, cause, own), now - self._started)
        if leg.backlog is not None:
            leg.backlog.wake()
