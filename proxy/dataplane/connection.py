"""One client connection: its facts, its states and deadline, what the proxy itself says on it, and how it ends.

After any framing error the connection is answered once and never read again (rule 23); a client that may still be sending is listened
to for a moment, or a reset would eat its answer. What arrives on it is read by ``downstream``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
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
from proxy.wire.chunked import ChunkedDecoder

if TYPE_CHECKING:
    from proxy.dataplane.door import Door
    from proxy.dataplane.forwarding import Peer
    from proxy.dataplane.plane import DataPlane

HEAD, BODY, WAIT, LINGER, FLUSH = range(5)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: wait, but for no time. Without it an abort ends like any close
UNPACED = Pace(0)  # of every connection that has sent no body yet, and most never do
NEVER = b"\0"  # no read that follows a request ends in this and is taken for one


class ClientConnection(asyncio.Protocol):
    """The client's side but for reading."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_door",
        "_exchange",
        "_fields",
        "_half_closed",
        "_kept",
        "_leaving",
        "_left",
        "_lingered",
        "_pace",
        "_plane",
        "_reading",
        "_request",
        "_secure",
        "_source",
        "_state",
        "_take_by",
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
        self.peer: Peer
        self._exchange = Exchange(plane, self)
        self._buffer = bytearray()
        self._reading = True
        self._writable = True
        self._take_by = inf  # when it is gone if it has taken nothing more of what was written, while it takes nothing
        self._half_closed = False
        self._leaving = False  # half closed as well, but something that it sent before has not been read yet
        self._lingered = 0
        self._pace = UNPACED
        self._source = source
        self._secure: Any = None  # the TLS object
        self.deadline = inf
        self.wake_at = inf
        # request
        self._state = HEAD
        self._left = 0
        self._kept: tuple[int, bytes] | None = None  # while it waits for a switch: its state, and a body that came whole
        self._decoder: ChunkedDecoder | None = None
        self._request: requests.Request | None = None  # the last one
        self._fields = NEVER  # its field lines as received, from the start line's CRLF to the end
        self.keep_alive = True

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived since the last answer."""
        return self._state == HEAD and not self._buffer

    @property
    def stream(self) -> Endless | None:
        """The event stream that is being answered with, if it is one."""
        return self._exchange.stream

    def pause_reading(self) -> None:
        """Read nothing more from the client for now; its time-out rests as well, unless it is one that takes no answer."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()
            self._plane.departures.watch(self)
            self._set_deadline(inf)

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self._leaving = False
            self._plane.departures.forget(self)
            self.transport.resume_reading()
            if self._state == BODY:
                now = perf_counter()
                self._pace.again(now)
                self._set_deadline(self._pace.due(now, self._exchange.idle_s))

    def departing(self, *, gone: bool) -> None:
        """While nothing is read: the client sends no more, or is ``gone``. Who sends no more may still read for a moment."""
        if gone:
            self.give_up()
        elif self._exchange.active and not self._leaving:
            self._leaving = True
            if self._writable:
                self._set_deadline(perf_counter() + limits.HALF_CLOSE_GRACE_S)

    # -- while versions switch (``cutover``) --------------------------------------------------------------------------------------

    def wait(self, body: bytes) -> None:
        """The request that was just read is not begun yet, ``body`` being all of its body or none; nothing is read meanwhile."""
        self._kept = self._state, body
        self._state = WAIT
        self.pause_reading()

    def go_on(self) -> bool:
        """Begin the request that waited. False: its client has left."""
        raise NotImplementedError

    def rest(self) -> bool:
        """Read nothing for a while, unless a request is under way; whether it was read until now."""
        if self._state != HEAD or not self._reading:
            return False
        self.pause_reading()
        return not self._reading

    def read_again(self) -> None:
        """After a rest."""
        if self._state == HEAD and not self.transport.is_closing():
            self.resume_reading()
            self._set_deadline(perf_counter() + limits.HEAD_TIMEOUT_S)

    # -- answering ----------------------------------------------------------------------------------------------------------------

    def answered(self, now: float) -> None:
        """The exchange is over and its answer written: close, or go on to the next request."""
        if not self.keep_alive:
            self._close_gently()
            return
        self._state = HEAD
        self._next(now)

    def _next(self, now: float) -> None:
        if self._buffer:
            # Not called from here: a thousand pipelined requests must not become a thousand frames of stack.
            self._plane.loop.call_soon(self._read_on)
        elif self._half_closed:
            self._close()
        else:
            self._set_deadline(now + (limits.DRAIN_IDLE_S if self._plane.draining else limits.IDLE_TIMEOUT_S))
            self.resume_reading()

    def _read_on(self) -> None:
        raise NotImplementedError

    def timed_out(self, now: float) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    def reply(self, status: int, reason: str, extra: bytes = b"") -> None:
        """Answer for the proxy itself, with one more field line or none, then close unless the request was whole and well formed."""
        if self._state == BODY or self._plane.draining:
            self.keep_alive = False
        assert self._request is not None, "what cannot be read is refused"
        self.transport.write(replies.reply_to(self._request, status, reason, close=not self.keep_alive, extra=extra))
        self.answered(perf_counter())

    def _refuse(self, error: DownstreamError, began: bytes | bytearray, took_s: float = 0.0) -> None:
        """The client's message, which ``began`` so, cannot be trusted: one answer, and nothing after it is read as a request."""
        self._plane.own_answers.tell(error.status, error.reason, None, self.peer, took_s=took_s)
        self._request = None
        self.keep_alive = False
        self._state = BODY
        self.transport.write(replies.reply_to_unread(began, error.status, error.reason))
        self.answered(perf_counter())

    def _body_refused(self, error: DownstreamError) -> None:
        answered = self._exchange.answered
        self._exchange.refused(error.status, error.reason)
        if answered:
            self.abort()
        else:
            self.reply(error.status, error.reason)

    def give_up(self) -> None:
        """Nobody is there any more. Counted here: until connection_lost is called the origin might fail, which is no failure then."""
        if self._exchange.active:
            self._exchange.client_gone()
        self.abort()

    def abort(self) -> None:
        """End with a reset: to HTTP/1.0 any other end would say that what was sent is the whole body (rule 34)."""
        if not self.transport.is_closing() and (sock := self.transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()

    def cut(self) -> None:
        """End an answer that has no end: what was sent goes out, and what closes it does not."""
        self.keep_alive = False
        self.transport.close()
        self._set_deadline(perf_counter() + limits.LINGER_S)

    def hand_over(self) -> Handed:
        """The connection is a tunnel's from now on, with what it sent beyond its request."""
        self.deadline = inf
        self._plane.departures.forget(self)
        early = bytes(self._buffer)
        self._buffer.clear()
        return Handed(self.transport, early, self._reading, self._writable, self._half_closed, self._door)

    def _close_gently(self) -> None:
        """Close after the answer. When the client may still be sending, go on reading for a moment: a reset would eat the answer."""
        may_send_more = self._state == BODY or bool(self._buffer)
        self._buffer.clear()
        if not may_send_more or self._half_closed:
            self._close()
            return
        self._state = LINGER
        self._decoder = None
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_deadline(perf_counter() + limits.LINGER_S)

    def _close(self) -> None:
        """Close once what was written is out. A client that takes it too slowly, or nothing, must not be waited for for ever.

        TLS would give up on it after the time that its farewell may take.
        """
        if self._state == FLUSH or not self.transport.get_write_buffer_size():
            self.transport.close()
            return
        self._state = FLUSH
        self.transport.set_write_buffer_limits(high=0, low=0)  # resume_writing says when it is out
        self._set_deadline(perf_counter() + limits.IDLE_TIMEOUT_S)

    def drain(self) -> None:
        """The worker is going: an idle connection ends soon, any other after its answer."""
        if self.idle:
            self._set_deadline(perf_counter() + limits.DRAIN_IDLE_S)

    def _set_deadline(self, deadline: float) -> None:
        """Nothing that is waited for outlives the time of a client that takes no answer."""
        if deadline > self._take_by:
            deadline = self._take_by
        self.deadline = deadline
        if deadline < self.wake_at:
            self._plane.wheel.schedule(self, deadline)
