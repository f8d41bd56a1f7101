"""The channel between the planes: length-prefixed msgpack frames over a socket pair.

A frame is four bytes of length, big-endian, and that many bytes of one tagged message. Down come orders, up come answers and counts;
neither side ever waits for the other inside this file. Knows nothing of what a plan means or of who restarts whom.

Between *prepare* and *commit* of a plan whose services switch atomically stands a barrier: ``Hold``, answered by ``Held``, and then
either the commit or ``Release``. A worker handles its orders strictly in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from proxy import limits
from proxy.errors import HeadgateError
from proxy.model.plan import RoutePlan
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import Snapshot


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Compile this plan whole and say so; serve the old one meanwhile. ``switching`` services will take it behind a barrier."""

    plan: RoutePlan
    switching: tuple[str, ...] = ()


class Commit(msgspec.Struct, frozen=True, tag="commit"):
    """Serve the plan prepared under this generation from now on."""

    generation: int


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """Keep new requests of the services that switch with this generation waiting, until told more, for ``within_s`` at most.

    After that the barrier ``id`` has a verdict, and the worker goes by it (``supervisor.verdict``).
    """

    id: int
    generation: int
    within_s: float


class Release(msgspec.Struct, frozen=True, tag="release"):
    """This barrier is off: what is held goes on as before. The plan stays prepared."""

    id: int


class Abandon(msgspec.Struct, frozen=True, tag="abandon"):
    """Forget the plan prepared under this generation."""

    generation: int


class Collect(msgspec.Struct, frozen=True, tag="collect"):
    """Send a snapshot now, marked with this number."""

    id: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Stop accepting, finish what is in flight within ``timeout_s``, say so and exit."""

    timeout_s: float


class ReopenLogs(msgspec.Struct, frozen=True, tag="reopen_logs"):
    """Close and open the access log again, so that a rotated file is let go."""


Down = Prepare | Hold | Release | Commit | Abandon | Collect | Drain | ReopenLogs


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The worker's loop runs and takes orders."""

    pid: int


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """The plan of this generation is compiled."""

    generation: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The plan of this generation cannot be compiled, and why."""

    generation: int
    reason: str


class Held(msgspec.Struct, frozen=True, tag="held"):
    """From here on no request of a service that switches is routed, until the barrier ``id`` is over."""

    id: int


class Committed(msgspec.Struct, frozen=True, tag="committed"):
    """The plan of this generation is served, and every listener accepts. ``cutovers`` are of the services that switched."""

    generation: int
    cutovers: tuple[Cutover, ...] = ()


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Counts since the report before. ``answering`` is the ``Collect`` it answers, 0 for none."""

    snapshot: Snapshot
    answering: int = 0


class Drained(msgspec.Struct, frozen=True, tag="drained"):
    """Nothing is in flight any more; ``cut`` requests were broken off to get there. The last message of a worker."""

    cut: int


Up = Hello | Prepared | Refused | Held | Committed | Report | Drained

LENGTH_BYTES = 4


class ChannelBroken(HeadgateError):
    """The peer sent what no peer of this version sends. The channel is of no use after it."""


class Decoder:
    """Frames out of a stream of bytes, in whatever pieces they come. ``accepts`` is ``Up`` or ``Down``."""

    def __init__(self, accepts: object) -> None:
        self._decode = msgspec.msgpack.Decoder(accepts).decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[object]:
        """The messages that are whole now, in order. Raises ``ChannelBroken``."""
        self._buffer += data
        messages: list[object] = []
        at = 0
        while len(self._buffer) - at >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[at : at + LENGTH_BYTES], "big")
            if length > limits.FRAME_BYTES_MAX:
                raise ChannelBroken(f"a frame of {length} bytes; at most {limits.FRAME_BYTES_MAX} are allowed")
            end = at + LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            try:
                messages.append(self._decode(memoryview(self._buffer)[at + LENGTH_BYTES : end]))
            except msgspec.DecodeError as error:
                raise ChannelBroken(f"a frame that is no message: {error}") from error
            at = end
        if at:
            del self._buffer[:at]
        return messages


def frame(message: msgspec.Struct) -> bytes:
    """One message as bytes. Raises ``ChannelBroken`` when it is over the bound."""
    body = msgspec.msgpack.encode(message)
    if len(body) > limits.FRAME_BYTES_MAX:
        raise ChannelBroken(f"a message of {len(body)} bytes; at most {limits.FRAME_BYTES_MAX} fit in a frame")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Channel(asyncio.Protocol):
    """One end of the channel. ``on_message`` gets each message in order; ``on_lost`` is called once, when the channel ends."""

    def __init__(self, accepts: object, on_message: Callable[[object], None], on_lost: Callable[[], None]) -> None:
        self._decoder = Decoder(accepts)
        self._on_message = on_message
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except ChannelBroken:
            self.close()  # as good as a dead peer: whoever owns this end acts on the loss
            return
        for message in messages:
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost()

    @property
    def open(self) -> bool:
        """Whether messages can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def backlog(self) -> int:
        """Bytes sent that the peer has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def send(self, message: msgspec.Struct) -> None:
        """Queue one message; silently nothing when the channel has ended, for its owner learns that by ``on_lost``."""
        self.send_frame(frame(message))

    def send_frame(self, data: bytes) -> None:
        """Queue bytes made by ``frame``, so that one plan is encoded once for all workers."""
        if self.open and self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End the channel after what is queued has been sent."""
        if self._transport is not None:
            self._transport.close()
