"""One request, from the choice of its version to its outcome. The only place where an outcome is decided and counted.

The client's side (``downstream``) and the origin's (``upstream``) do not know each other: both speak to the exchange, which relays,
keeps them at one pace, decides whether a failure may be tried again, and ends in ``_finish`` exactly once, whichever way out was taken.
An exchange object belongs to its client connection and serves its requests one after another.
"""

from __future__ import annotations

from math import inf
from random import random
from time import perf_counter
from typing import TYPE_CHECKING

from proxy.errors import UpstreamError
from proxy.wire.chunked import frame, last_chunk
from proxy.wire.request import Request
from proxy.wire.response import Response

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Attempt, Pool
    from proxy.dataplane.upstream import Upstream

_JOIN_BODY_BYTES = 4096  # a body piece up to this is written with its head; copying more costs more than a second buffer


class Exchange:
    """The request that a client connection is waiting for."""

    __slots__ = (
        "_answered",
        "_attempt",
        "_chunk_out",
        "_down",
        "_drawn",
        "_head",
        "_leg",
        "_pending",
        "_plane",
        "_pool",
        "_request",
        "_request_id",
        "_retried",
        "_started",
        "_status",
        "_tried",
        "_upstream",
        "_user",
        "head_request",
        "idle_s",
        "request_sent",
        "trailers",
    )

    def __init__(self, plane: DataPlane, down: Downstream) -> None:
        # connection
        self._plane = plane
        self._down = down
        # request
        self._leg: Leg | None = None  # set from the choice of a version to the outcome: the exchange is active
        self._upstream: Upstream | None = None
        self._attempt: Attempt | None = None
        self._pending: list[bytes] = []
        self._tried: list[Pool] | None = None
        self.trailers: list[bytes] = []
        self._retried = False
        self._chunk_out = False
        self._answered = False

    @property
    def active(self) -> bool:
        """Whether a request is in flight."""
        return self._leg is not None

    # -- the request --------------------------------------------------------------------------------------------------------------

    def begin(self, request: Request, now: float, body: bytes = b"") -> None:
        """Decide where a request goes and send its head there, with ``body`` if that is all of it; else ``send`` and ``end`` follow."""
        plane, down = self._plane, self._down
        if request.via and plane.pseudonym in request.via:
            plane.count_unmatched(508)
            down.reply(508, "")
            return
        split = plane.table.match(request)
        if split is None:
            plane.count_unmatched(404)
            down.reply(404, "")
            return
        leg, self._drawn, self._user = split.choose(request, down.peer, random())
        leg.cell.in_flight += 1
        self._leg = leg
        self._request = request
        self._started = now
        self._answered = False
        self.idle_s = leg.idle_s
        self.head_request = request.start.method == b"HEAD"
        self.request_sent = len(body) == request.length
        pool = leg.pools[0] if len(leg.pools) == 1 else leg.pick()
        assert pool is not None, "a version without endpoints was compiled"
        self._request_id = request_id = plane.request_ids.keep_or_make(request.request_id)
        self._head = down.peer.head(request, request_id, pool.host_line)
        if body:
            if len(body) <= _JOIN_BODY_BYTES:
                self._head += body
            else:
                self._pending = [body]
        self._forward(pool, leg, now)

    def _forward(self, pool: Pool, leg: Leg, now: float) -> None:
        self._pool = pool
        pool.active += 1
        upstream = pool.take()
        if upstream is not None and not self._repeatable:
            while upstream is not None and not upstream.alive():  # rule 38: it could not be tried again
                upstream.close()
                upstream = pool.take()
        if upstream is None:
            self._attempt = pool.connect(self, leg.connect_s)
        else:
            self._send_head(upstream, leg, now)

    @property
    def _repeatable(self) -> bool:
        """Whether the request may be sent twice: idempotent, and nothing of it is gone once sent (RFC 9110 section 9.2.2)."""
        return self._request.start.idempotent and not self._request.length

    def _send_head(self, upstream: Upstream, leg: Leg, now: float) -> None:
        self._upstream = upstream
        if self.request_sent and not self._pending:
            upstream.start(self, self._head, now + leg.response_s)
            return
        upstream.start(self, self._head, inf)
        if self._pending:
            upstream.transport.writelines(self._pending)
            self._pending = []
        if self.request_sent:
            upstream.set_deadline(now + leg.response_s)
        else:
            self._down.resume_reading()

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
        pool.active -= 1
        self._tried = [*(self._tried or ()), pool]
        other = leg.pick(self._tried)
        if other is not None:
            leg.cell.retries += 1
            self._forward(other, leg, perf_counter())
            return
        pool.active += 1  # given back by _finish
        self._fail(504 if timed_out else 502, UpstreamError("connect", "it could not be reached"))

    def send(self, pieces: list[bytes]) -> None:
        """Relay body bytes, framed as the origin will read them."""
        upstream = self._upstream
        if upstream is not None:
            upstream.transport.writelines(pieces)
        else:
            self._pending += pieces
            self._down.pause_reading()

    def end(self, now: float) -> None:
        """The request is whole; the answer is due."""
        self.request_sent = True
        if self._upstream is not None and self._leg is not None:
            self._upstream.set_deadline(now + self._leg.response_s)

    def upload_paused(self) -> None:
        """The origin takes no more: read no more from the client; the origin must go on within the idle time."""
        self._down.pause_reading()
        if self._upstream is not None:
            self._upstream.set_deadline(perf_counter() + self.idle_s)

    def upload_resumed(self) -> None:
        """The origin takes bytes again."""
        if self._upstream is None or self._leg is None:
            return
        if self.request_sent:
            self._upstream.set_deadline(perf_counter() + self._leg.response_s)
        else:
            self._upstream.deadline = inf
            self._down.resume_reading()

    # -- the answer ---------------------------------------------------------------------------------------------------------------

    def interim(self, response: Response) -> None:
        """A 1xx head: 100 only to a client that waits for it, nothing to HTTP/1.0 (rules 31, 32)."""
        request = self._request
        if request.minor and (response.status != 100 or request.expect_continue):
            self._down.transport.write(response.head)

    def answer(self, response: Response, data: bytes, end: int) -> None:
        """The final head, and ``data[end:]`` of its body when that has a length (a body without one comes through ``body_pieces``)."""
        down, leg = self._down, self._leg
        assert leg is not None
        self._status = response.status
        self._answered = True
        if not self.request_sent or self._plane.draining:
            down.keep_alive = False  # rule 36: answered while the upload runs; it is swallowed and both sides close
        head = response.head
        if not (response.has_date and response.length >= 0 and down.keep_alive and self._request.start.minor) or leg.version_line:
            head = self._altered(head, response, leg)
        if response.length < 0 or len(data) == end:
            down.transport.write(head)
        elif len(data) - end <= _JOIN_BODY_BYTES:
            down.transport.write(head + data[end:])
        else:
            down.transport.writelines((head, memoryview(data)[end:]))

    def _altered(self, head: bytes, response: Response, leg: Leg) -> bytes:
        """The head with what only the proxy can say: its date, framing made anew, whether the connection goes on."""
        lines = [head[:-4]]
        down = self._down
        if not response.has_date:
            lines.append(self._plane.date_line())  # RFC 9110 section 6.6.1: a recipient with a clock dates what it forwards
        if leg.version_line:
            lines.append(leg.version_line)
        if response.length < 0:
            if self._request.minor:
                self._chunk_out = True
                lines.append(b"Transfer-Encoding: chunked")
            else:
                down.keep_alive = False
        if not down.keep_alive:
            lines.append(b"Connection: close")
        elif not self._request.minor:
            lines.append(b"Connection: keep-alive")
        lines += (b"", b"")
        return b"\r\n".join(lines)

    def body(self, data: bytes) -> None:
        """Bytes of a body whose length the client knows."""
        self._down.transport.write(data)

    def body_pieces(self, pieces: list[bytes]) -> None:
        """Bytes of a body without a length: framed as chunks for a client that can read them, else as they are."""
        self._down.transport.writelines(frame(pieces) if self._chunk_out else pieces)

    def complete(self, now: float) -> None:
        """The answer is whole and relayed."""
        self._upstream = None
        down = self._down
        if self._chunk_out:
            down.transport.write(last_chunk(self.trailers if self._request.te_trailers else []))
        status = self._status
        self._finish(status, "status_5xx" if status >= 500 else None, now, self._drawn)
        down.answered(now)

    def download_paused(self) -> None:
        """The client reads too slowly: so does the proxy."""
        if self._upstream is not None:
            self._upstream.pause()

    def download_resumed(self) -> None:
        """The client has caught up."""
        if self._upstream is not None:
            self._upstream.resume(self.idle_s)

    # -- the ways out -------------------------------------------------------------------------------------------------------------

    def upstream_failed(self, error: UpstreamError) -> None:
        """The origin broke. Tried again once, on a fresh connection, when it cannot have begun to act on the request (rule 38)."""
        upstream, leg = self._upstream, self._leg
        assert upstream is not None
        assert leg is not None
        self._upstream = None
        upstream.abandon()
        if error.cause == "reset" and upstream.reused and not upstream.seen and not self._retried and self._repeatable:
            self._retried = True
            leg.cell.retries += 1
            self._attempt = self._pool.connect(self, leg.connect_s)
            return
        self._fail(504 if error.cause == "timeout" else 502, error)

    def _fail(self, status: int, error: UpstreamError) -> None:
        now = perf_counter()
        if self._answered:
            self._finish(self._status, error.cause, now, self._drawn)
            self._down.abort()  # rule 34: a body cut short must not look whole
        else:
            self._finish(status, error.cause, now, self._drawn)
            self._down.reply(status, error.reason)

    def refused(self, status: int) -> None:
        """The client broke the rules in its body: nobody's failure. The caller answers, if nothing was answered yet."""
        self._drop_upstream()
        self._finish(status, None, perf_counter(), False)

    @property
    def answered(self) -> bool:
        """Whether a head has been sent to the client."""
        return self._answered

    def client_gone(self) -> None:
        """The client left before its answer was whole: 499, charged to nobody (rule 37)."""
        self._drop_upstream()
        self._finish(499, None, perf_counter(), False)

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.abandon()
            self._upstream = None
        if self._attempt is not None:
            self._attempt.waiter = None
            self._attempt = None

    def _finish(self, code: int, cause: str | None, now: float, drawn: bool) -> None:
        """The one end of every exchange: count it, log it, be ready for the next."""
        leg = self._leg
        assert leg is not None, "an exchange ends once"
        self._leg = None
        self._pool.active -= 1
        cell = leg.cell
        cell.in_flight -= 1
        plane = self._plane
        if cell.record(code, cause, now - self._started, drawn, self._user):
            plane.on_urgent()
        log = plane.access_log
        if log is not None and log.wanted(cause is not None):
            plane.log_access(self._request, self._down.peer, cell, code, cause, now - self._started, self._request_id)
        if self._retried or self._chunk_out or self._tried or self._pending:
            self._retried = self._chunk_out = False
            self._tried = None
            self._pending = []
            self.trailers = []
