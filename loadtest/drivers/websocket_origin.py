"""``python websocket_origin.py PORT``: answers upgrades and echoes what comes; anything else gets a 200. Frames are all of one size.

It takes masks of zeros as given: a client that sends them need not be unmasked, so that neither of them is what limits the run.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import signal
import sys
from typing import cast

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
CLOSE = 8


def accept(key: bytes) -> bytes:
    """The answer to a handshake's key."""
    return base64.b64encode(hashlib.sha1(key.strip() + GUID).digest())


def echo(held: bytes) -> tuple[bytes, bytes, bool]:
    """Frames to send for the whole frames in ``held``, what is left of it, and whether the other side wants to end."""
    out, at = [], 0
    while len(held) - at >= 6:
        length = held[at + 1] & 0x7F
        end = at + 6 + length
        if length > 125 or not held[at + 1] & 0x80:
            raise ValueError("a frame is too long, or not masked")
        if len(held) < end:
            break
        mask, payload = held[at + 2 : at + 6], held[at + 6 : end]
        if mask != b"\0\0\0\0":
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        out.append(bytes((held[at], length)) + payload)
        if held[at] & 0x0F == CLOSE:
            return b"".join(out), b"", True
        at = end
    return b"".join(out), held[at:], False


class Connection(asyncio.Protocol):
    """Requests until an upgrade, then frames."""

    def __init__(self) -> None:
        self._held = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._held += data
        if self._upgraded:
            self._frames()
            return
        while b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
            if b"sec-websocket-key" not in fields:
                self._transport.write(OK)
                continue
            self._upgraded = True
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                + accept(fields[b"sec-websocket-key"])
                + b"\r\n\r\n"
            )
            self._frames()
            return

    def _frames(self) -> None:
        out, self._held, ends = echo(self._held)
        if out:
            self._transport.write(out)
        if ends:
            self._transport.close()


async def serve(port: int) -> None:
    """Until TERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=1024)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
