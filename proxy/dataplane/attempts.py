"""Getting one request answered: its endpoint, its connection, and what follows a failure.

A failure is tried again where that is safe (rule 38) and allowed (``retrying``), answered by stable where the service says so, else
told to the client; how that is counted is ``outcomes``. Knows nothing of bodies but whether they can be sent again; nothing may follow
a failure once a byte of an answer was relayed.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.dataplane.outcomes import Outcomes
from proxy.errors import UpstreamError

if TYPE_CHECKING:
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.pool import Pool
    from proxy.dataplane.upstream import Upstream


class Attempts(Outcomes):
    """The origin's half of an exchange."""

    __slots__ = ()

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
        if self._held:  # its body cannot be read from the first byte: nothing of this answer has been sent
            self._held = b""
            self._chunk_out = self._streams = False
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
