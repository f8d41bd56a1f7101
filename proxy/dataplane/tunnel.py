"""A connection that speaks another protocol after the origin's 101: bytes both ways, at the pace of the slower side.

Each side's end of sending is passed on (half-close) while the other goes on; a reset is passed on as one. Bytes are counted by version.
Over TLS there is no half-close, so there the end of one side ends both. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from proxy.dataplane.door import Door
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Pool
    from proxy.telemetry.recorder import Cell


class Handed(NamedTuple):
    """A connection as its former protocol leaves it: ``early`` was read and not used; ``ended`` when its peer will send no more."""

    transport: Any
    early: bytes
    reading: bool
    writable: bool
    ended: bool = False
    door: Door | None = None


class _End(asyncio.Protocol):
    """One of the two connections. ``way`` is its place in the version's byte counts."""

    __slots__ = ("_reading", "ended", "gone", "other", "transport", "tunnel", "way")

    def __init__(self, tunnel: Tunnel, way: int, handed: Handed) -> None:
        self.tunnel = tunnel
        self.way = way
        self.transport = handed.transport
        self.other: _End
        self.ended = False  # it sends no more
        self.gone = False
        self._reading = handed.reading

    def data_received(self, data: bytes) -> None:
        tunnel = self.tunnel
        tunnel.deadline = perf_counter() + tunnel.idle_s
        tunnel.cell.tunnel_bytes[self.way] += len(data)
        if not self.other.gone:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        return self.tunnel.half_closed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        self.other.read(False)

    def resume_writing(self) -> None:
        self.other.read(True)

    def read(self, wanted: bool) -> None:
        """Go on reading, or stop."""
        if self._reading != wanted and not self.transport.is_closing():
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()


class Tunnel:
    """Two connections joined. In flight on its version from its making until both have ended."""

    __slots__ = ("_client", "_door", "_origin", "_plane", "cell", "deadline", "idle_s", "pool", "wake_at")

    def __init__(self, plane: DataPlane, pool: Pool, cell: Cell, idle_s: float, client: Handed, origin: Handed) -> None:
        self._plane = plane
        self._door = client.door  # which counts it until it ends
        self.pool = pool
        self.cell = cell
        self.idle_s = idle_s
        self.deadline = self.wake_at = inf
        self._client, self._origin = _End(self, 0, client), _End(self, 1, origin)
        self._client.other, self._origin.other = self._origin, self._client
        cell.in_flight += 1
        pool.active += 1
        pool.tunnels += 1
        plane.long_lived.agreed(self)
        for end, handed in ((self._client, client), (self._origin, origin)):
            end.transport.set_protocol(end)
            end.other.read(handed.writable)

    def begin(self, client: Handed, origin: Handed) -> None:
        """Pass on what had arrived before there was a tunnel."""
        self.deadline = perf_counter() + self.idle_s
        self._plane.wheel.schedule(self, self.deadline)
        for end, handed in ((self._client, client), (self._origin, origin)):
            if handed.early:
                end.data_received(handed.early)
        if client.ended:
            self.half_closed(self._client)

    def half_closed(self, end: _End) -> bool:
        """One side sends no more. True when its connection stays open to hear the other."""
        end.ended = True
        other = end.other
        if other.ended or other.gone or not (end.transport.can_write_eof() and other.transport.can_write_eof()):
            self.end()
            return False
        other.transport.write_eof()
        return True

    def lost(self, end: _End, exc: Exception | None) -> None:
        """One connection has ended; when both have, so has the tunnel."""
        other = end.other
        if end is self._origin:
            self.pool.lost()
        if not other.gone:
            if exc is None:
                other.transport.close()
            else:
                other.transport.abort()
            return
        self.deadline = inf
        self._plane.wheel.forget(self)
        self.cell.in_flight -= 1
        self.pool.active -= 1
        self.pool.tunnels -= 1
        if self._door is not None:
            self._door.connections -= 1
        self._plane.long_lived.over(self)
        for one in (end, other):  # nobody asks them any more, and cycles would wait for the collector
            del one.tunnel, one.other

    def end(self) -> None:
        """Close both sides, what was read before going out first."""
        for end in (self._client, self._origin):
            if not end.gone:
                end.transport.close()

    def abort(self) -> None:
        """Close both sides now."""
        for end in (self._client, self._origin):
            if not end.gone:
                end.transport.abort()

    def timed_out(self, now: float) -> None:
        """No byte either way for the idle time, or a side that took none."""
        self.abort()
