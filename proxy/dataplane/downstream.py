"""The client's side: one connection, its requests one after another.

A head is judged whole. Bytes that follow a request wait, bounded, until its answer is out, so pipelined requests are answered in order
and a malformed one cannot take the answer before it away. After any framing error the connection is answered once and never read again
(rule 23). This file decides nothing about origins.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

from proxy import limits
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.longlived import Endless
from proxy.dataplane.pace import Pace
from proxy.dataplane.tunnel import Handed
from proxy.errors import DownstreamError
from proxy.wire import replies
from proxy.wire import request as requests
from proxy.wire.chunked import BadChunk, ChunkedDecoder, frame

if TYPE_CHECKING:
    from proxy.dataplane.door import Door
    from proxy.dataplane.plane import DataPlane

_HEAD, _BODY, _WAIT, _LINGER = range(4)
_NEVER = b"\0"  # no read that follows a request ends in this and is taken for one


class Downstream(asyncio.Protocol):
    """One client connection."""

    __slots__ = (
        "_accept",
        "_buffer",
        "_decoder",
        "_door",
        "_exchange",
        "_fields",
        "_half_closed",
        "_left",
        "_lingered",
        "_pace",
        "_plane",
        "_reading",
        "_request",
        "_secure",
        "_source",
        "_state",
        "_writable",
        "deadline",
        "keep_alive",
        "peer",
        "transport",
        "wake_at",
    )

    def __init__(self, plane: DataPlane, door: Door, source: str | None = None) -> None:
        """``source`` is the client's address when a PROXY header named it."""
        # process
        self._plane = plane
        self._door = door
        # connection
        self.transport: Any = None
        self._exchange = Exchange(plane, self)
        self._buffer = bytearray()
        self._reading = True
        self._writable = True
        self._half_closed = False
        self._lingered = 0
        self._pace = Pace(door.min_body_rate)
        self._source = source
        self._secure: Any = None  # the TLS object
        self.deadline = inf
        self.wake_at = inf
        # request
        self._state = _HEAD
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._request: requests.Request | None = None  # the last one
        self._fields = _NEVER  # its field lines as received, from the start line's CRLF to the end
        self.keep_alive = True

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived since the last answer."""
        return self._state == _HEAD and not self._buffer

    @property
    def stream(self) -> Endless | None:
        """The event stream that is being answered with, if it is one."""
        return self._exchange.stream

    # -- protocol interface -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=limits.WRITE_BUFFER_HIGH_BYTES, low=limits.WRITE_BUFFER_LOW_BYTES)
        door, plane = self._door, self._plane
        self.peer, self._secure = door.meet(transport, self._source, plane.pseudonym)
        refused = door.full and not door.proves  # where connections prove themselves they have been counted
        no_place = not plane.room.has_place(len(plane.downstreams), transport)
        door.connections += 1
        plane.downstreams.add(self)
        if refused or no_place:
            door.refused += refused
            self.transport.abort()
            return
        self._set_deadline(perf_counter() + limits.HEAD_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _HEAD:
            if not self._buffer and self._writable:
                request = self._request
                if request is not None and data.endswith(self._fields) and not request.length and self._repeated(request, data):
                    self.deadline = inf
                    self._state = _WAIT
                    self._exchange.begin(request, perf_counter())
                    return
                self._read_head(data, len(data))
            else:
                self._buffer += data
                if self._writable:
                    self._read_buffered_head(len(data))
                else:
                    self.pause_reading()
        elif state == _BODY:
            self._read_body(data)
        elif state == _WAIT:
            self._buffer += data
            self.pause_reading()
        else:
            self._lingered += len(data)
            if self._lingered > limits.LINGER_BYTES_MAX:
                self.transport.abort()

    def eof_received(self) -> bool:
        if self._secure is None and self._exchange.active and self._state == _WAIT:
            self._half_closed = True
            self._set_deadline(perf_counter() + limits.HALF_CLOSE_GRACE_S)
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = inf
        if self._exchange.active:
            self._exchange.client_gone()
        self._plane.closed(self)
        self._door.connections -= 1

    def pause_writing(self) -> None:
        self._writable = False
        self._exchange.download_paused()
        self._set_deadline(perf_counter() + limits.IDLE_TIMEOUT_S)  # a client that reads nothing for so long is gone

    def resume_writing(self) -> None:
        self._writable = True
        self.deadline = inf
        self._exchange.download_resumed()
        if self._state == _HEAD and not self.transport.is_closing():
            self._next(perf_counter())

    def timed_out(self, now: float) -> None:
        if self._exchange.active:
            if self._state == _BODY and self._pace.goes_on(now, judged=not self._exchange.answered):
                self._set_deadline(self._pace.due(now, self._exchange.idle_s))
                return
            if self._state == _BODY and not self._exchange.answered:
                self._exchange.refused(408)
                self.reply(408, "the body came too slowly or not at all")
            elif not (self._half_closed and self._exchange.answered):
                self.transport.abort()  # gone: connection_lost counts it
        elif self._state == _HEAD and self._buffer:
            self._refuse(DownstreamError(408, "the head did not arrive in time"))
        else:
            self.transport.close()

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def _read_buffered_head(self, fresh: int) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._read_head(data, fresh)

    def _read_head(self, data: bytes, fresh: int) -> None:
        """``data`` begins with a head; its last ``fresh`` bytes are new."""
        if data.startswith(b"\r\n"):  # RFC 9112 section 2.2: one empty line before a request is ignored
            data = data[2:]
        end = data.find(b"\r\n\r\n", max(0, len(data) - fresh - 3)) + 4
        try:
            if end == 3:
                requests.check_partial(data)
                if not self._buffer and fresh >= len(data):
                    self._set_deadline(perf_counter() + limits.HEAD_TIMEOUT_S)
                self._buffer += data
                return
            if end > limits.HEAD_BYTES_MAX:
                raise DownstreamError(431, f"request head is over {limits.HEAD_BYTES_MAX} bytes")
            head = data if end == len(data) else data[:end]
            request = self._request
            if request is None or not head.endswith(self._fields) or not self._repeated(request, head):
                request = requests.parse(head, self._plane.starts, self._plane.request_table)
                self._request = request
                self.keep_alive = request.keep_alive
                self._fields = head[head.find(b"\r\n") :] if request.repeats and request.keep_alive else _NEVER
        except DownstreamError as error:
            self._refuse(error)
            return
        self._begin(request, data, end)

    def _repeated(self, request: requests.Request, head: bytes) -> bool:
        """Whether ``head``, which ends in the fields of the request before, is that one again but for a start line known before.

        A client that keeps a connection mostly repeats its fields to the letter; then only the start line is news.
        """
        start = self._plane.starts.get(head[: -len(self._fields)])
        if start is None or not start.minor or start.authority:
            return False
        request.again(start)
        return True

    def _begin(self, request: requests.Request, data: bytes, end: int) -> None:
        """Start the exchange of a request whose body, if it has one, begins at ``data[end]``."""
        now = perf_counter()
        self.deadline = inf
        if self._door.special and (answer := self._door.answer(request, self.peer, self._secure)) is not None:
            self._fields, self._state = _NEVER, _BODY if request.length else _WAIT
            self._buffer += data[end:]
            self._plane.count_unmatched(answer[0])
            self.reply(*answer)
            return
        length = request.length
        if 0 <= length <= len(data) - end:  # whole already
            self._state = _WAIT
            if (stop := end + length) != len(data):
                self._buffer += data[stop:]
                self.pause_reading()
            self._exchange.begin(request, now, data[end:stop] if length else b"")
            return
        self._state = _BODY
        self._left = length
        self._decoder = ChunkedDecoder() if length < 0 else None
        self._exchange.begin(request, now)
        if self._state == _BODY:
            self._pace.begin(now, may_wait=request.expect_continue)
            self._set_deadline(self._pace.due(now, self._exchange.idle_s))
            if end != len(data):
                self._read_body(data[end:])

    def _read_body(self, data: bytes) -> None:
        exchange = self._exchange
        now = perf_counter()
        self._pace.came(len(data), now)
        self.deadline = self._pace.due(now, exchange.idle_s)
        decoder = self._decoder
        if decoder is None:
            size = len(data)
            if size > self._left:
                self._buffer += data[self._left :]
                data = data[: self._left]
                size = self._left
            self._left -= size
            exchange.send([data])
            done = self._left == 0
        else:
            try:
                pieces, used = decoder.feed(data)
            except BadChunk as error:
                self._body_refused(DownstreamError(400, str(error)))
                return
            if pieces:
                if exchange.body_room is not None and not exchange.has_room(pieces):
                    self._body_refused(DownstreamError(413, "more than this route allows"))
                    return
                exchange.send(frame(pieces))
            done = decoder.done
            if done:
                exchange.send([b"0\r\n\r\n"])
                self._buffer += data[used:]
        if done:
            self._state = _WAIT
            self._decoder = None
            self.deadline = inf
            if self._buffer:
                self.pause_reading()
            exchange.end(now)

    def pause_reading(self) -> None:
        """Read nothing more from the client for now; its time-out rests as well."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.deadline = inf
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()
            if self._state == _BODY:
                now = perf_counter()
                self._pace.again(now)
                self._set_deadline(self._pace.due(now, self._exchange.idle_s))

    # -- answering ----------------------------------------------------------------------------------------------------------------

    def answered(self, now: float) -> None:
        """The exchange is over and its answer written: close, or go on to the next request."""
        if not self.keep_alive:
            self._close_gently()
            return
        self._state = _HEAD
        self._next(now)

    def _next(self, now: float) -> None:
        if self._buffer:
            # Not called from here: a thousand pipelined requests must not become a thousand frames of stack.
            self._plane.loop.call_soon(self._resume)
        elif self._half_closed:
            self.transport.close()
        else:
            self._set_deadline(now + (limits.DRAIN_IDLE_S if self._plane.draining else limits.IDLE_TIMEOUT_S))
            self.resume_reading()

    def _resume(self) -> None:
        if self._state == _HEAD and self._buffer and self._writable and not self.transport.is_closing():
            self._read_buffered_head(len(self._buffer))
            if self._state == _HEAD and self._buffer:
                if self._half_closed:
                    self.transport.close()  # half a request, and no more will come
                else:
                    self.resume_reading()

    def reply(self, status: int, reason: str, extra: bytes = b"") -> None:
        """Answer for the proxy itself, with one more field line or none, then close unless the request was whole and well formed."""
        if self._state == _BODY or self._plane.draining:
            self.keep_alive = False
        self.transport.write(replies.reply_to(self._request, status, reason, close=not self.keep_alive, extra=extra))
        self.answered(perf_counter())

    def _refuse(self, error: DownstreamError) -> None:
        """The client's message cannot be trusted: one answer, and nothing after it is read as a request."""
        self._plane.count_unmatched(error.status)
        self._request = None
        self.keep_alive = False
        self._state = _BODY
        self.reply(error.status, error.reason)

    def _body_refused(self, error: DownstreamError) -> None:
        answered = self._exchange.answered
        self._exchange.refused(error.status)
        if answered:
            self.abort()
        else:
            self.reply(error.status, error.reason)

    def abort(self) -> None:
        """End without a clean close, so that what was sent cannot pass for whole."""
        self.transport.abort()

    def cut(self) -> None:
        """End an answer that has no end: what was sent goes out, and what closes it does not."""
        self.keep_alive = False
        self.transport.close()
        self._set_deadline(perf_counter() + limits.LINGER_S)

    def hand_over(self) -> Handed:
        """The connection is a tunnel's from now on, with what it sent beyond its request."""
        self.deadline = inf
        early = bytes(self._buffer)
        self._buffer.clear()
        return Handed(self.transport, early, self._reading, self._writable, self._half_closed, self._door)

    def _close_gently(self) -> None:
        """Close after the answer. When the client may still be sending, go on reading for a moment: a reset would eat the answer."""
        may_send_more = self._state == _BODY or bool(self._buffer)
        self._buffer.clear()
        if not may_send_more or self._half_closed:
            self.transport.close()
            return
        self._state = _LINGER
        self._decoder = None
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_deadline(perf_counter() + limits.LINGER_S)

    def drain(self) -> None:
        """The worker is going: an idle connection ends soon, any other after its answer."""
        if self.idle:
            self._set_deadline(perf_counter() + limits.DRAIN_IDLE_S)

    def _set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        if deadline < self.wake_at:
            self._plane.wheel.schedule(self, deadline)
