"""``python websocket_client.py PORT CONNECTIONS SECONDS``: one message at a time on each connection, echoed; figures as JSON."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import sys
from time import perf_counter
from typing import cast

import uvloop

PAYLOAD = b"All work and no play makes a dull proxy. " * 2 + b"All work and no pl"  # 100 bytes
SENT = bytes((0x82, 0x80 | len(PAYLOAD))) + b"\0\0\0\0" + PAYLOAD  # binary, masked with zeros
WANTED = bytes((0x82, len(PAYLOAD))) + PAYLOAD
OPEN_S = 20.0


class Line(asyncio.Protocol):
    """One connection: shakes hands, then sends the next message when the last one is back."""

    def __init__(self, seconds: list[float], failed: asyncio.Future[None]) -> None:
        self._seconds = seconds
        self._failed = failed
        self._held = b""
        self._sent = 0.0
        self._ends = False
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._transport.write(
            b"GET /websocket HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        """The handshake's end, or a message."""
        self._held += data
        if not self.open.done():
            head, mark, rest = self._held.partition(b"\r\n\r\n")
            if mark:
                if not head.startswith(b"HTTP/1.1 101"):
                    self._fail(f"the upgrade was answered {head[:60]!r}")
                self._held = rest
                self.open.set_result(None)
            return
        if len(self._held) >= len(WANTED):
            if self._held != WANTED:
                self._fail(f"{SENT!r} came back as {self._held!r}")
            self._held = b""
            self._seconds.append(perf_counter() - self._sent)
            if not self._ends:
                self.send()

    def send(self) -> None:
        """The next message."""
        self._sent = perf_counter()
        self._transport.write(SENT)

    def end(self) -> None:
        """No more after the one under way."""
        self._ends = True

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Before its end that is a failure."""
        if not self._ends:
            self._fail("a connection was closed")

    def _fail(self, why: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(RuntimeError(why))


async def measure(port: int, connections: int, seconds: int) -> dict[str, float]:
    """Run, and say what was seen."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    found: list[float] = []
    lines = [(await loop.create_connection(lambda: Line(found, failed), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.wait_for(asyncio.gather(*(line.open for line in lines)), OPEN_S)
    began = perf_counter()
    for line in lines:
        line.send()
    await asyncio.wait([failed], timeout=seconds)
    for line in lines:
        line.end()
    took, number = perf_counter() - began, len(found)
    for line in lines:
        line.close()
    if failed.done():
        failed.result()
    found.sort()
    p50, p99, p999 = (found[int(number * share)] * 1e3 for share in (0.5, 0.99, 0.999))
    return {"requests": number, "duration_s": took, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999}


if __name__ == "__main__":
    gc.disable()
    print(json.dumps(uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))
