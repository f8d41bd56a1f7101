"""The origin's side: one connection, one exchange at a time, its answer parsed as strictly as a request.

Bytes of a body with a length are counted, not parsed. Whatever breaks is said to the exchange as an UpstreamError with its cause; this
file decides nothing about the client. A connection with anything doubtful in its past is closed, never reused (rules 35, 39).
"""

from __future__ import annotations

import asyncio
import select
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from proxy import limits
from proxy.dataplane.tunnel import Handed
from proxy.errors import UpstreamError
from proxy.wire import response as responses
from proxy.wire.chunked import BadChunk, ChunkedDecoder

if TYPE_CHECKING:
    from proxy.dataplane.capture import Tap
    from proxy.dataplane.copying import Copy
    from proxy.dataplane.exchange import Exchange
    from proxy.dataplane.origin_tls import Secured
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Pool

    Taker: TypeAlias = Exchange | Tap | Copy
    """Who gets an answer: a client's exchange, that exchange through a tap, or a copy, whose answer nobody gets."""


class Upstream(asyncio.Protocol):
    """One connection to an endpoint."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_in_body",
        "_interim",
        "_last",
        "_last_head",
        "_left",
        "_plane",
        "_poller",
        "_reusable",
        "address",
        "deadline",
        "exchange",
        "idle_s",
        "pool",
        "reading",
        "reused",
        "secured",
        "seen",
        "transport",
        "wake_at",
        "writable",
    )

    def __init__(self, plane: DataPlane, pool: Pool) -> None:
        # process
        self._plane = plane
        self.pool = pool
        # connection
        self.transport: Any = None
        self._poller: select.poll | None = None
        self.address = ""  # where a host name led
        self.secured: Secured | None = None  # how its TLS was made
        self.reused = False
        self.writable = True
        self.reading = True
        self.deadline = inf
        self.wake_at = inf
        self.idle_s = limits.IDLE_UPSTREAM_S  # as the origin said last
        self._last_head: bytes | tuple[()] = ()  # nothing begins with it yet; then the last answer's head, and what it meant
        self._last: responses.Response
        # exchange
        self.exchange: Taker | None = None
        self.seen = False  # a byte of the answer has arrived: nothing may be retried any more
        self._buffer = b""
        self._in_body = False
        self._left = 0  # bytes of the body to come, or responses.CHUNKED or UNTIL_CLOSE
        self._decoder: ChunkedDecoder | None = None
        self._interim = 0
        self._reusable = False

    # -- towards the origin -------------------------------------------------------------------------------------------------------

    def start(self, exchange: Taker, head: bytes, answer_due: float, body: list[bytes] | None = None) -> None:
        """Begin an exchange on this connection, which is idle; ``answer_due`` is inf while a body is still to come.

        What there is of the ``body`` leaves with the head, in one system call: each wakes the origin.
        """
        assert self.exchange is None, "one exchange at a time"
        self.exchange = exchange
        self.seen = self._in_body = False
        self._interim = 0
        self.deadline = answer_due
        if answer_due < self.wake_at:
            self._plane.wheel.schedule(self, answer_due)
        if body:
            self.transport.writelines([head, *body])
        else:
            self.transport.write(head)

    def set_deadline(self, deadline: float) -> None:
        """Move the time-out."""
        self.deadline = deadline
        if deadline < self.wake_at:
            self._plane.wheel.schedule(self, deadline)

    def alive(self) -> bool:
        """Whether an idle connection is still silent and open. Costs a system call: asked where a retry would not be safe."""
        if self._poller is None:
            self._poller = select.poll()
            self._poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not self._poller.poll(0) and not self.transport.is_closing()

    def pause(self) -> None:
        """Read no more until ``resume``: the client is slower than the origin, and time spent on that is not the origin's."""
        if self.reading and not self.transport.is_closing():
            self.reading = False
            self.deadline = inf
            self.transport.pause_reading()

    def resume(self, idle_s: float) -> None:
        """Read on; the origin's next byte is due within ``idle_s``."""
        if not self.reading and not self.transport.is_closing():
            self.reading = True
            self.transport.resume_reading()
            self.set_deadline(perf_counter() + idle_s)

    def abandon(self) -> None:
        """The exchange no longer wants this connection; what it may still receive is nobody's."""
        self.exchange = None
        self.close()

    def hand_over(self, early: bytes) -> Handed:
        """The connection is a tunnel's from now on."""
        self.exchange = None
        self.deadline = inf
        return Handed(self.transport, early, self.reading, self.writable)

    def close(self) -> None:
        """End the connection without ceremony."""
        self.deadline = inf
        if self.transport is not None:
            self.transport.abort()

    # -- protocol interface -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=limits.WRITE_BUFFER_HIGH_BYTES, low=limits.WRITE_BUFFER_LOW_BYTES)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.pool.forget(self)  # rule 35: bytes nobody asked for
            self.close()
            return
        self.seen = True
        try:
            if self._in_body:
                self._read_body(exchange, data)
            elif data.startswith(self._last_head) and not self._buffer and not exchange.head_request:
                # An origin repeats itself to the letter for up to a second, until its Date changes.
                self._begin_body(exchange, self._last, data, len(self._last_head))
            else:
                self._read_heads(exchange, data)
        except UpstreamError as error:
            exchange.upstream_failed(error)

    def eof_received(self) -> None:
        exchange = self.exchange
        if exchange is None:
            self.pool.forget(self)
        elif self._in_body and self._left == responses.UNTIL_CLOSE:
            self._reusable = False
            self._complete(exchange, perf_counter())

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self.exchange
        self.deadline = inf
        self._plane.wheel.forget(self)
        self.pool.lost()
        if exchange is None:
            self.pool.forget(self)
            return
        exchange.upstream_failed(UpstreamError("reset", "the connection ended before the answer did"))

    def pause_writing(self) -> None:
        self.writable = False
        if self.exchange is not None:
            self.exchange.upload_paused()

    def resume_writing(self) -> None:
        self.writable = True
        if self.exchange is not None:
            self.exchange.upload_resumed()

    def timed_out(self, now: float) -> None:
        exchange = self.exchange
        if exchange is None:
            self.pool.forget(self)
            self.close()
        else:
            exchange.upstream_failed(UpstreamError("timeout", "no answer in time" if not self._in_body else "the answer stalled"))

    # -- the answer ---------------------------------------------------------------------------------------------------------------

    def _read_heads(self, exchange: Taker, data: bytes) -> None:
        """Interim heads and the final one; what follows the final head is its body."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3 or end > limits.HEAD_BYTES_MAX:
                if len(data) > limits.HEAD_BYTES_MAX:
                    raise UpstreamError("protocol", "response head is too large")
                if not data.startswith(b"HTTP/1."[: len(data)]):
                    raise UpstreamError("protocol", "this is not an HTTP/1 response")
                self._buffer = data
                return
            plane = self._plane
            head = data if end == len(data) else data[:end]
            response = responses.parse(head, plane.response_table, plane.statuses, head_request=exchange.head_request)
            if response.status >= 200:
                self.idle_s = response.idle_s
                if not exchange.head_request:
                    self._last, self._last_head = response, head
                break
            if response.status == 101 and exchange.asked_for(response) and head.startswith(b"HTTP/1.1"):
                exchange.switch(response, data[end:])
                return
            self._interim += 1
            if response.status == 101 or self._interim > limits.INTERIM_RESPONSES_MAX:
                raise UpstreamError("protocol", "unexpected interim response")
            exchange.interim(response)
            data = data[end:]
            if not data:
                return
        self._begin_body(exchange, response, data, end)

    def _begin_body(self, exchange: Taker, response: responses.Response, data: bytes, end: int) -> None:
        length = response.length
        self._reusable = response.keep_alive
        if response.status >= 500 and exchange.declines(response.status):
            self._decline(exchange, response, len(data) - end)
            return
        if length >= 0:
            have = len(data) - end
            if have >= length:
                if have > length:
                    self._reusable = False
                    data = data[: end + length]
                exchange.answer(response, data, end)
                self._complete(exchange, perf_counter())
                return
            self._left = length - have
            self._in_body = True
            exchange.answer(response, data, end)
        else:
            self._left = length
            self._in_body = True
            self._decoder = ChunkedDecoder() if length == responses.CHUNKED else None
            exchange.answer(response, data, end)
        if self.reading:
            self.set_deadline(perf_counter() + exchange.idle_s)
        if length < 0 and len(data) > end:
            self._read_body(exchange, data[end:])

    def _read_body(self, exchange: Taker, data: bytes) -> None:
        left = self._left
        if left > 0:
            size = len(data)
            if size < left:
                self._left = left - size
                exchange.body(data)
                if self.reading:
                    self.deadline = perf_counter() + exchange.idle_s
                return
            if size > left:
                self._reusable = False
                data = data[:left]
            exchange.body(data)
            self._complete(exchange, perf_counter())
        elif self._decoder is None:
            exchange.body_pieces([data], False)
            if self.reading:
                self.deadline = perf_counter() + exchange.idle_s
        else:
            self._read_chunks(exchange, self._decoder, data)

    def _read_chunks(self, exchange: Taker, decoder: ChunkedDecoder, data: bytes) -> None:
        try:
            pieces, used = decoder.feed(data)
        except BadChunk as error:
            raise UpstreamError("protocol", str(error)) from None
        now = perf_counter()
        done = decoder.done
        if done:
            self._reusable = self._reusable and used == len(data)
            exchange.trailers = decoder.trailers
        exchange.body_pieces(pieces, done)
        if done:
            self._complete(exchange, now)
        elif self.reading:
            self.deadline = now + exchange.idle_s

    def _complete(self, exchange: Taker, now: float) -> None:
        """The answer is whole: give the connection back, then let the exchange end, so that a pipelined request finds it idle."""
        self.exchange = None
        self._in_body = False
        self._decoder = None
        if self._reusable and exchange.request_sent and not exchange.logs_in:
            self.reused = True
            self.resume(self.idle_s)
            self.pool.put(self, now)
        else:
            self.close()
        exchange.complete(now)

    def _decline(self, exchange: Taker, response: responses.Response, have: int) -> None:
        """Let go of an answer that is not relayed; ``have`` bytes of its body are here. Only a whole one leaves a clean connection."""
        self.exchange = None
        if self._reusable and exchange.request_sent and not exchange.logs_in and response.length == have:
            self.reused = True
            self.pool.put(self, perf_counter())
        else:
            self.close()
        exchange.declined(response.status)
