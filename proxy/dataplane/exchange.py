"""One request, relayed: from the choice of its version to the last byte of its answer.

The client's side (``downstream``) and the origin's (``upstream``) do not know each other: both speak to the exchange, which relays and
keeps them at one pace. Which connection it has, and what follows when that breaks, is ``attempts``. An exchange object belongs to its
client connection and serves its requests one after another.
"""

from __future__ import annotations

from math import inf
from random import random
from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.dataplane.attempts import Attempts
from proxy.dataplane.longlived import Endless
from proxy.dataplane.retrying import Replay
from proxy.dataplane.tunnel import Tunnel
from proxy.wire.chunked import frame, last_chunk
from proxy.wire.request import Request
from proxy.wire.response import Response, is_event_stream

if TYPE_CHECKING:
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.pool import Pool
    from proxy.dataplane.rules import Rules
    from proxy.dataplane.tracing import Tracer
    from proxy.dataplane.upstream import Upstream

_JOIN_BODY_BYTES = 4096  # a body piece up to this is written with its head; copying more costs more than a second buffer


class Exchange(Attempts):
    """The request that a client connection is waiting for: what goes up and what comes down."""

    __slots__ = ()

    # -- the request --------------------------------------------------------------------------------------------------------------

    def begin(self, request: Request, now: float, body: bytes = b"") -> None:
        """Decide where a request goes and send its head there, with ``body`` if that is all of it; else ``send`` and ``end`` follow."""
        plane, down = self._plane, self._down
        if request.via and plane.pseudonym in request.via:
            plane.own_answers.tell(508, "", request, down.peer)
            down.reply(508, "")
            return
        way = plane.table.match(request)
        if way is None:
            if not plane.barrier.keeps(down, request, body):
                plane.own_answers.tell(404, "", request, down.peer)
                down.reply(404, "")
            return
        way.hits += 1
        rules = way.rules
        if rules is not None and self._answered_by(rules, request, now):
            return
        leg, self._drawn, self._user = way.split.choose(request, down.peer, random())
        leg.cell.in_flight += 1
        self._leg = leg
        self._request = request
        self._started = now
        self._answered = False
        self.idle_s = leg.idle_s
        self.head_request = request.start.method == b"HEAD"
        self.request_sent = len(body) == request.length
        pool = leg.only or leg.pick()
        self._request_id = request_id = plane.request_ids.keep_or_make(request.request_id)
        self._head = down.peer.head(request, request_id, (pool or leg.nowhere).host_line)
        if rules is not None or plane.tracer is not None:
            self._begin_special(request, rules, plane.tracer)
        if request.length:
            self._keep_body(request, body)
        if leg.mirror is not None and (mirrored := leg.mirror.take(self, request, way.name, self._user)) is not None:
            self._irregular = True
            self._mirrored = mirrored
        if pool is None:
            self._unplaced(leg, now)
        else:
            self._forward(pool, leg, now)
        if self._mirrored is not None:  # the original goes first
            self._mirrored.send(self._head)

    def _keep_body(self, request: Request, body: bytes) -> None:
        """What is there of the body waits for the connection; a copy of it, where it may have to be sent again."""
        if request.start.idempotent and request.length <= limits.REPLAY_BYTES_MAX:
            self._irregular = True
            self._replay = Replay(self._plane.replay_room)
            if body and not self._replay.keep([body]):
                self._replay = None
        if body:
            if len(body) <= _JOIN_BODY_BYTES and self._replay is None and request.host:
                self._head += body
            else:
                self._irregular = True
                self._pending = [body]

    def _begin_special(self, request: Request, rules: Rules | None, tracer: Tracer | None) -> None:
        """Its route does more than name a service, or tracing is on."""
        self._irregular = True
        if rules is not None:
            self._rules = rules
            self.idle_s = rules.idle_s
            self.body_room = rules.body_limit
        if tracer is not None:
            self._span = tracer.span(request)
        self._head = self._special(self._head)

    def _answered_by(self, rules: Rules, request: Request, now: float) -> bool:
        """Whether the route itself answers, and then it has."""
        own = rules.own_answer(request, self._down.peer, now)
        if own is None:
            return False
        self._plane.own_answers.tell(own.status, own.reason, request, self._down.peer, rules.service)
        self._down.reply(own.status, own.reason, own.extra)
        return True

    def _send_head(self, upstream: Upstream, leg: Leg, now: float) -> None:
        self._upstream = upstream
        if self.request_sent and not self._pending:
            seen_by = self if self._mirrored is None else self._mirrored.tap.sending()
            upstream.start(seen_by, self._head, now + (self._rules or leg).response_s)
            return
        pending, self._pending = self._pending, []
        upstream.start(self, self._head, inf, pending)
        if self.request_sent:
            upstream.set_deadline(now + (self._rules or leg).response_s)
        else:
            self._down.resume_reading()

    def send(self, pieces: list[bytes]) -> None:
        """Relay body bytes, framed as the origin will read them."""
        upstream = self._upstream
        if self._replay is not None and not self._replay.keep(pieces):
            self._replay = None
        if upstream is not None:
            upstream.transport.writelines(pieces)
        else:
            self._irregular = True
            self._pending += pieces
            self._down.pause_reading()

    def has_room(self, pieces: list[bytes]) -> bool:
        """Whether the route's limit allows these bytes of a chunked body, which it then counts."""
        assert self.body_room is not None
        self.body_room -= sum(map(len, pieces))
        return self.body_room >= 0

    def end(self, now: float) -> None:
        """The request is whole; the answer is due."""
        self.request_sent = True
        if self._upstream is not None and self._leg is not None:
            self._upstream.set_deadline(now + (self._rules or self._leg).response_s)

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
            self._upstream.set_deadline(perf_counter() + (self._rules or self._leg).response_s)
        else:
            self._upstream.deadline = inf
            self._down.resume_reading()

    # -- the answer ---------------------------------------------------------------------------------------------------------------

    def interim(self, response: Response) -> None:
        """A 1xx head: 100 only to a client that waits for it, nothing to HTTP/1.0 (rules 31, 32)."""
        request = self._request
        if request.minor and (response.status != 100 or request.expect_continue):
            self._irregular = self._relayed = True
            self._down.transport.write(response.head)

    def answer(self, response: Response, data: bytes, end: int) -> None:
        """The final head, and ``data[end:]`` of its body when that has a length.

        A body without one comes through ``body_pieces``: what of it is in ``data`` at once, and the head leaves with that.
        """
        down, leg = self._down, self._leg
        assert leg is not None
        self._status = response.status
        self._answered = True
        if not self.request_sent or self._plane.draining:
            down.keep_alive = False  # rule 36: answered while the upload runs; it is swallowed and both sides close
        head = response.head
        complete = response.has_date and response.length >= 0 and self._request.start.minor
        if not complete or leg.version_line or self._rules is not None:
            head = self._altered(head, response, leg)
        elif not down.keep_alive:
            head = response.closing = response.closing or self._altered(head, response, leg)
        if len(data) == end:
            down.transport.write(head)
        elif response.length < 0:
            self._answered = False
            self._held = head
        elif len(data) - end <= _JOIN_BODY_BYTES:
            down.transport.write(head + data[end:])
        else:
            down.transport.writelines((head, memoryview(data)[end:]))

    def _altered(self, head: bytes, response: Response, leg: Leg) -> bytes:
        """The head with what only the proxy can say: its date, framing made anew, whether the connection goes on."""
        if self._rules is not None:
            head = self._rules.response_head(head)
        lines = [head[:-4]]
        down = self._down
        if not response.has_date:
            lines.append(self._plane.date_line())  # RFC 9110 section 6.6.1: a recipient with a clock dates what it forwards
        if leg.version_line:
            lines.append(leg.version_line)
        if response.length < 0:
            self._irregular = True
            self._streams = is_event_stream(head)
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

    def asked_for(self, response: Response) -> bool:
        """Whether a 101 switches to what the client wanted (rule 32), and says so as RFC 9110 section 7.8 has it: in Connection too."""
        asked = self._request.upgrade
        return asked != b"" and response.switches and response.upgrade.lower() == asked.lower()

    def switch(self, response: Response, rest: bytes) -> None:
        """The origin has agreed: the request is answered, and both connections are a tunnel's (rule 28)."""
        upstream, leg, down, pool = self._upstream, self._leg, self._down, self._pool
        assert upstream is not None
        assert leg is not None
        self._upstream = None
        now = perf_counter()
        if leg.ejector is not None:
            leg.ejector.saw(pool, True, now)
        head = response.head if self._rules is None else self._rules.response_head(response.head)
        lines = [head[:-4], b"Connection: Upgrade", b"Upgrade: " + response.upgrade]
        if leg.version_line:
            lines.append(leg.version_line)
        down.transport.write(b"\r\n".join((*lines, b"", b"")))
        client, origin = down.hand_over(), upstream.hand_over(rest)
        tunnel = Tunnel(self._plane, pool, leg.cell, leg.tunnel_idle_s, client, origin)
        self._finish(101, None, now, self._drawn)
        self._plane.closed(down)
        self.part()
        tunnel.begin(client, origin)

    @property
    def stream(self) -> Endless | None:
        """The answer under way, if it is an event stream."""
        return _Stream(self, self._pool, self._started) if self._leg is not None and self._answered and self._streams else None

    def silent_s(self, now: float) -> float:
        """How long nothing has come of an answer that has begun; ``inf`` while there is none."""
        return now - (self._upstream.deadline - self.idle_s) if self._answered and self._upstream is not None else inf

    def end_stream(self, started: float) -> None:
        """End the event stream of the request that began then: our doing, charged to nobody."""
        if self._leg is None or self._started != started:
            return
        chunked = self._chunk_out
        self._drop_upstream()
        self._finish(self._status, None, perf_counter(), self._drawn)
        if chunked:
            self._down.cut()  # its last chunk is missing, which tells the client
        else:
            self._down.abort()

    def body(self, data: bytes) -> None:
        """Bytes of a body whose length the client knows."""
        self._down.transport.write(data)

    def body_pieces(self, pieces: list[bytes], last: bool) -> None:
        """Bytes of a body without a length: framed as chunks for a client that can read them, else as they are.

        ``last``: the body ends with them. One write for all, behind the head if that is still held.
        """
        out = frame(pieces) if self._chunk_out else pieces
        if last and self._chunk_out:
            self._chunk_out = False
            out = [*out, self._last_chunk()]
        if self._held:
            out = [self._held, *out]
            self._held = b""
            self._answered = True
        if sum(map(len, out)) > _JOIN_BODY_BYTES:
            self._down.transport.writelines(out)
        elif out:
            self._down.transport.write(b"".join(out))

    def _last_chunk(self) -> bytes:
        return last_chunk(self.trailers if self._request.te_trailers else [])

    def complete(self, now: float) -> None:
        """The answer is whole and relayed."""
        self._upstream = None
        down = self._down
        if self._chunk_out:  # the origin ended its body by closing
            down.transport.write(self._last_chunk())
        status = self._status
        leg = self._leg
        if leg is not None and leg.ejector is not None:
            leg.ejector.saw(self._pool, status < 500, now)
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


class _Stream:
    """One event stream, to be ended later; its exchange may by then serve another request."""

    __slots__ = ("_exchange", "_started", "pool")

    def __init__(self, exchange: Exchange, pool: Pool, started: float) -> None:
        self._exchange = exchange
        self._started = started
        self.pool = pool

    def end(self) -> None:
        self._exchange.end_stream(self._started)
