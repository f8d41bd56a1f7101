"""The client's side: one connection, its requests one after another.

A head is judged whole. Bytes that follow a request wait, bounded, until its answer is out, so pipelined requests are answered in order
and a malformed one cannot take the answer before it away. How it is answered by us, and how it ends, is
``connection``. This file decides nothing about origins.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import perf_counter

from proxy import limits
from proxy.dataplane.connection import BODY, FLUSH, HEAD, LINGER, NEVER, UNPACED, WAIT, ClientConnection
from proxy.dataplane.pace import Pace
from proxy.errors import DownstreamError
from proxy.wire import request as requests
from proxy.wire.chunked import BadChunk, ChunkedDecoder, frame


class Downstream(ClientConnection):
    """A client connection, and the reading of it."""

    __slots__ = ()

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
        if state == HEAD:
            if not self._buffer and self._writable:
                request = self._request
                if request is not None and data.endswith(self._fields) and not request.length and self._repeated(request, data):
                    self.deadline = inf
                    self._state = WAIT
                    self._exchange.begin(request, perf_counter())
                    return
                self._read_head(data, len(data))
            else:
                self._buffer += data
                if self._writable:
                    self._read_buffered_head(len(data))
                else:
                    self.pause_reading()
        elif state == BODY:
            self._read_body(data)
        elif state == WAIT:
            self._buffer += data
            self.pause_reading()
        else:
            self._lingered += len(data)
            if self._lingered > limits.LINGER_BYTES_MAX:
                self.transport.abort()

    def eof_received(self) -> bool:
        if self._secure is None and self._exchange.active and self._state == WAIT:
            self._half_closed = True
            if self._writable:  # else the time-out of a client that does not read goes on
                self._set_deadline(perf_counter() + limits.HALF_CLOSE_GRACE_S)
            return True
        if self._exchange.active:
            return False
        self._close()
        return self._secure is None and self._state == FLUSH

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = inf
        if self._exchange.active:
            self._exchange.client_gone()
        self._exchange.part()
        plane = self._plane
        plane.wheel.forget(self)
        if not self._reading:
            plane.departures.forget(self)
        plane.closed(self)
        self._door.connections -= 1

    def pause_writing(self) -> None:
        self._writable = False
        self._take_by = perf_counter() + limits.IDLE_TIMEOUT_S
        self._exchange.download_paused()
        self._set_deadline(self._take_by)

    def resume_writing(self) -> None:
        self._writable = True
        self._take_by = inf
        if self._state == FLUSH:
            self._plane.loop.call_soon(self.transport.close)  # not from within its own writing
            return
        if self._state == BODY and self._reading:
            self._set_deadline(self._pace.due(perf_counter(), self._exchange.idle_s))
        elif self._state != LINGER:
            self.deadline = inf
        if self._half_closed or self._leaving:
            self._set_deadline(perf_counter() + limits.HALF_CLOSE_GRACE_S)
        self._exchange.download_resumed()
        if self._state == HEAD and not self.transport.is_closing():
            self._next(perf_counter())

    def timed_out(self, now: float) -> None:
        if self._exchange.active:
            self._exchange_timed_out(now)
        elif self._state == HEAD and self._buffer and self._writable:
            self._refuse(DownstreamError(408, "the head did not arrive in time"), self._buffer, limits.HEAD_TIMEOUT_S)
        elif self._state == FLUSH or self.transport.is_closing():
            self.abort()  # it takes nothing more
        else:
            self._close()

    def _exchange_timed_out(self, now: float) -> None:
        exchange = self._exchange
        if now >= self._take_by:
            self.give_up()
            return
        if self._state == BODY and not self._leaving:
            if self._pace.goes_on(now, judged=not exchange.answered):
                self._set_deadline(self._pace.due(now, exchange.idle_s))
                return
            if not exchange.answered:
                reason = "the body came too slowly or not at all"
                exchange.refused(408, reason)
                self.reply(408, reason)
                return
        if (self._half_closed or self._leaving) and self._writable and exchange.silent_s(now) < limits.HALF_CLOSE_GRACE_S:
            self._set_deadline(now + limits.HALF_CLOSE_GRACE_S)  # something comes: sending it tells whether anybody still reads
        else:
            self.give_up()

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def _read_buffered_head(self, fresh: int) -> None:
        buffer = self._buffer
        if fresh < len(buffer) and not buffer.startswith(b"\r\n") and buffer.find(b"\r\n\r\n", max(0, len(buffer) - fresh - 3)) < 0:
            try:
                requests.check_partial(buffer, fresh)
            except DownstreamError as error:
                self._refuse(error, buffer)
            return
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
                requests.check_partial(data, fresh)
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
                self._fields = head[head.find(b"\r\n") :] if request.repeats and request.keep_alive else NEVER
        except DownstreamError as error:
            self._refuse(error, data)
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
            self._fields, self._state = NEVER, BODY if request.length else WAIT
            self._buffer += data[end:]
            self._plane.own_answers.tell(answer[0], answer[1], request, self.peer)
            self.reply(*answer)
            return
        length = request.length
        if 0 <= length <= len(data) - end:  # whole already
            self._state = WAIT
            if (stop := end + length) != len(data):
                self._buffer += data[stop:]
                self.pause_reading()
            self._exchange.begin(request, now, data[end:stop] if length else b"")
            return
        self._state = BODY
        self._left = length
        self._decoder = ChunkedDecoder() if length < 0 else None
        self._begin_upload(request, now, data[end:])

    def _begin_upload(self, request: requests.Request, now: float, early: bytes) -> None:
        """Start the exchange of a request whose body goes on arriving; ``early`` came with its head."""
        if self._pace is UNPACED:
            self._pace = Pace(self._door.min_body_rate)
        self._exchange.begin(request, now)
        if self._state == BODY:
            self._pace.begin(now, may_wait=request.expect_continue)
            self._set_deadline(self._pace.due(now, self._exchange.idle_s))
            if early:
                self._read_body(early)
        elif self._kept is not None:
            self._buffer += early

    def _read_body(self, data: bytes) -> None:
        exchange = self._exchange
        now = perf_counter()
        self._pace.came(len(data), now)
        self._set_deadline(self._pace.due(now, exchange.idle_s))
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
            self._state = WAIT
            self._decoder = None
            self._set_deadline(inf)
            if self._buffer:
                self.pause_reading()
            exchange.end(now)

    def go_on(self) -> bool:
        assert self._kept is not None, "it waits"
        (state, body), self._kept = self._kept, None
        request = self._request
        if self.transport.is_closing() or request is None:
            return False
        now = perf_counter()
        if state == BODY:
            early = bytes(self._buffer)
            self._buffer.clear()
            self.resume_reading()
            self._state = BODY
            self._begin_upload(request, now, early)
            return True
        if not self._buffer:
            self.resume_reading()
        self._exchange.begin(request, now, body)
        return True

    def _read_on(self) -> None:
        if self._state == HEAD and self._buffer and self._writable and not self.transport.is_closing():
            self._read_buffered_head(len(self._buffer))
            if self._state == HEAD and self._buffer and self._half_closed:
                self._close()  # half a request, and no more will come
            elif self._state == HEAD or (self._state == WAIT and not self._buffer and self._kept is None):
                self.resume_reading()
            elif not self._reading:
                self._leaving = False
                self._plane.departures.watch(self)  # for this request, too
