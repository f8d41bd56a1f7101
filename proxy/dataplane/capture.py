"""Keeping an answer while it passes: the tap between an origin's connection and its exchange. The exchange notices nothing.

A tap speaks to the connection as an exchange does and passes everything on first; only then is it kept, so that keeping can neither
alter nor delay what the client gets. Knows nothing of copies or of comparing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.errors import UpstreamError
from proxy.model.pair import Seen
from proxy.wire.response import is_event_stream

if TYPE_CHECKING:
    from proxy.dataplane.exchange import Exchange
    from proxy.wire.response import Response


class Store:
    """How many bytes of bodies a worker keeps for comparing, over all services."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more, which are then taken."""
        if self._kept + size > limits.CAPTURED_BYTES_MAX:
            return False
        self._kept += size
        return True

    def give(self, size: int) -> None:
        """So many bytes are kept no more."""
        self._kept -= size


class Capture:
    """One answer, kept up to ``bytes_max`` of its body. ``full`` once the worker had no room for it: it is of no use then."""

    __slots__ = ("_bytes_max", "_kept", "_pieces", "_store", "full", "head", "seen_at", "sent_at", "size", "status")

    def __init__(self, store: Store, bytes_max: int) -> None:
        self._store = store
        self._bytes_max = bytes_max
        self._pieces: list[bytes] = []
        self._kept = 0
        self.full = False
        self.sent_at = self.seen_at = perf_counter()
        self.status = 0
        self.head = b""
        self.size = 0

    def begin(self, response: Response) -> None:
        """A final head has come; what was kept before is of an attempt that came to nothing."""
        self.free()
        self.seen_at = perf_counter()
        self.status = response.status
        self.head = response.head
        self.size = 0

    def keep(self, data: bytes) -> None:
        """Bytes of the body."""
        self.size += len(data)
        room = self._bytes_max - self._kept
        if room > 0 and not self.full:
            kept = data[:room]
            if self._store.take(len(kept)):
                self._kept += len(kept)
                self._pieces.append(kept)
            else:
                self.full = True
                self.free()

    def free(self) -> None:
        """Let go of what is kept."""
        self._store.give(self._kept)
        self._kept = 0
        self._pieces = []

    def close(self) -> None:
        """Let go of it, and keep nothing that may still come."""
        self.free()
        self._bytes_max = 0

    def seen(self, failure: str = "") -> Seen:
        """What was seen; with a ``failure`` there is no answer, whatever had come of one."""
        if failure:
            return Seen(0, duration_s=max(0.0, self.seen_at - self.sent_at), failure=failure)
        return Seen(self.status, self.head, b"".join(self._pieces), self.size, max(0.0, self.seen_at - self.sent_at))


class Tap:
    """Stands in an exchange's place at its connection, and keeps the answer that passes."""

    __slots__ = ("_exchange", "_on_stream", "capture")

    def __init__(self, exchange: Exchange, capture: Capture, on_stream: Callable[[], None]) -> None:
        """``on_stream`` is called when the answer turns out to be an event stream."""
        self._exchange = exchange
        self._on_stream = on_stream
        self.capture = capture

    def sending(self) -> Tap:
        """The request is being sent just now."""
        self.capture.sent_at = perf_counter()
        return self

    # -- what a connection asks of its exchange -------------------------------------------------------------------------------------

    @property
    def head_request(self) -> bool:
        return self._exchange.head_request

    @property
    def request_sent(self) -> bool:
        return self._exchange.request_sent

    @property
    def logs_in(self) -> bool:
        return self._exchange.logs_in

    @property
    def idle_s(self) -> float:
        return self._exchange.idle_s

    @property
    def trailers(self) -> list[bytes]:
        return self._exchange.trailers

    @trailers.setter
    def trailers(self, trailers: list[bytes]) -> None:
        self._exchange.trailers = trailers

    def interim(self, response: Response) -> None:
        self._exchange.interim(response)

    def asked_for(self, response: Response) -> bool:
        return self._exchange.asked_for(response)

    def switch(self, response: Response, rest: bytes) -> None:
        self._exchange.switch(response, rest)

    def declines(self, status: int) -> bool:
        return self._exchange.declines(status)

    def declined(self, status: int) -> None:
        self._exchange.declined(status)

    def upload_paused(self) -> None:
        self._exchange.upload_paused()

    def upload_resumed(self) -> None:
        self._exchange.upload_resumed()

    def upstream_failed(self, error: UpstreamError) -> None:
        self._exchange.upstream_failed(error)

    # -- the answer, passed on and kept -----------------------------------------------------------------------------------------------

    def answer(self, response: Response, data: bytes, end: int) -> None:
        self._exchange.answer(response, data, end)
        self.capture.begin(response)
        if is_event_stream(response.head):
            self._on_stream()  # it has no end to compare
        elif response.length >= 0 and len(data) > end:
            self.capture.keep(data[end:])

    def body(self, data: bytes) -> None:
        self._exchange.body(data)
        self.capture.keep(data)

    def body_pieces(self, pieces: list[bytes], last: bool) -> None:
        self._exchange.body_pieces(pieces, last)
        for piece in pieces:
            self.capture.keep(piece)

    def complete(self, now: float) -> None:
        self._exchange.complete(now)
