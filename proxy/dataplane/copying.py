"""The copy of one request: sent to a version that nobody sees, its answer kept and never relayed. It can hurt nobody but itself.

To its connection a copy is an exchange, of which nobody is at the other end. It is over after ``timeout_s`` whatever the origin does;
a trickle too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING

from proxy.dataplane.capture import Capture
from proxy.errors import UpstreamError

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Attempt, Pool
    from proxy.dataplane.upstream import Upstream
    from proxy.wire.response import Response


class Copy:
    """One copy under way. ``on_end`` is called once, with the cause of its failure or an empty text."""

    __slots__ = (
        "_attempt",
        "_bytes_max",
        "_ended",
        "_enough",
        "_head",
        "_on_end",
        "_plane",
        "_pool",
        "_reconnected",
        "_upstream",
        "capture",
        "deadline",
        "head_request",
        "idle_s",
        "logs_in",
        "request_sent",
        "trailers",
        "wake_at",
    )

    def __init__(
        self,
        plane: DataPlane,
        pool: Pool,
        head: bytes,
        capture: Capture,
        *,
        head_request: bool,
        logs_in: bool,
        bytes_max: int,
        timeout_s: float,
        on_end: Callable[[str], None],
    ) -> None:
        self._plane = plane
        self._pool = pool
        self._head = head
        self._bytes_max = bytes_max
        self._on_end: Callable[[str], None] | None = on_end
        self._attempt: Attempt | None = None
        self._upstream: Upstream | None = None
        self._reconnected = False
        self._enough = False  # of its answer has come
        self._ended = False
        self.capture = capture
        self.head_request = head_request
        self.request_sent = True
        self.logs_in = logs_in
        self.idle_s = timeout_s
        self.trailers: list[bytes] = []
        self.deadline = perf_counter() + timeout_s
        self.wake_at = inf

    def begin(self) -> None:
        """Send it, on an idle connection or a new one."""
        self._plane.wheel.schedule(self, self.deadline)
        self._pool.active += 1
        upstream = self._pool.take()
        if upstream is None:
            self._attempt = self._pool.connect(self, self.idle_s)
        else:
            self._send(upstream)

    def give_up(self) -> None:
        """It is wanted no more; ``on_end`` is not called. Nothing happens when it is over."""
        self._on_end = None
        if not self._ended:
            self._end("")

    def timed_out(self, now: float) -> None:
        """The wheel's call: ``timeout_s`` has passed."""
        self._end("timeout")

    # -- as a waiter for a connection -------------------------------------------------------------------------------------------------

    def connected(self, upstream: Upstream) -> None:
        """The connection asked for is there."""
        self._attempt = None
        self._send(upstream)

    def connect_failed(self, pool: Pool, *, timed_out: bool) -> None:
        """It is not."""
        self._attempt = None
        self._end("timeout" if timed_out else "connect")

    def _send(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.capture.sent_at = self.capture.seen_at = perf_counter()
        upstream.start(self, self._head, self.deadline)

    # -- as the exchange of its connection --------------------------------------------------------------------------------------------

    def interim(self, response: Response) -> None:
        """Nobody waits for one."""

    def asked_for(self, response: Response) -> bool:
        """No upgrade is ever copied."""
        return False

    def declines(self, status: int) -> bool:
        """Whatever it is, it is the answer."""
        return False

    def switch(self, response: Response, rest: bytes) -> None:
        """Never called, for nothing was asked for."""
        raise AssertionError("a copy asks for no upgrade")

    def declined(self, status: int) -> None:
        """Never called, for nothing is declined."""
        raise AssertionError("a copy declines no answer")

    def upload_paused(self) -> None:
        """A head is all there is to send."""

    def upload_resumed(self) -> None:
        """The same."""

    def answer(self, response: Response, data: bytes, end: int) -> None:
        self.capture.begin(response)
        if response.length >= 0 and len(data) > end:
            self.body(data[end:])

    def body(self, data: bytes) -> None:
        self.capture.keep(data)
        if self.capture.size > self._bytes_max and not self._enough:
            self._enough = True
            self._plane.loop.call_soon(self._stop)  # not now: the connection goes on with what it is reading

    def body_pieces(self, pieces: list[bytes], last: bool) -> None:
        self.body(b"".join(pieces))

    def complete(self, now: float) -> None:
        self._upstream = None
        self._end("")

    def upstream_failed(self, error: UpstreamError) -> None:
        """The origin broke; a dead idle connection is replaced, once, as the original's would be."""
        upstream = self._upstream
        assert upstream is not None
        self._upstream = None
        upstream.abandon()
        if error.cause == "reset" and upstream.reused and not upstream.seen and not self._reconnected:
            self._reconnected = True
            self._attempt = self._pool.connect(self, max(0.0, self.deadline - perf_counter()))
            return
        self._end(error.cause)

    def _stop(self) -> None:
        """There is more of the answer than is compared."""
        if not self._ended:
            self._end("")

    def _end(self, failure: str) -> None:
        assert not self._ended, "a copy ends once"
        self._ended = True
        self.deadline = inf
        self._plane.wheel.forget(self)
        self._pool.active -= 1
        if self._upstream is not None:
            self._upstream.abandon()
            self._upstream = None
        if self._attempt is not None:
            self._attempt.waiter = None
            self._attempt = None
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(failure)
