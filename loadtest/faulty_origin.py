"""An origin that is mostly good: now and then it resets, fails, breaks off an answer, or closes a connection it had kept.

Run as a program with a port. Which request goes wrong is a matter of its number, so that two runs see the same faults.
"""

from __future__ import annotations

import asyncio
import re
import sys
from itertools import count
from typing import cast

import uvloop

BODY = b"x" * 100
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + BODY
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
BROKEN = GOOD[:-60]
RESET_EVERY, FAIL_EVERY, BREAK_EVERY, CLOSE_EVERY = 1009, 499, 1511, 251
NUMBERS = count(1)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection of the proxy."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        held = self._held + data if self._held else data
        while (end := held.find(b"\r\n\r\n") + 4) > 3:
            if held.startswith(b"POST") and (length := LENGTH.search(held, 0, end)):
                end += int(length[1])
            if len(held) < end or self._transport.is_closing():
                break
            held = held[end:]
            self._answer(next(NUMBERS))
        self._held = held

    def _answer(self, number: int) -> None:
        write = self._transport.write
        if number % RESET_EVERY == 0:
            self._transport.abort()
        elif number % FAIL_EVERY == 0:
            write(FAILED)
        elif number % BREAK_EVERY == 0:
            write(BROKEN)
            self._transport.close()
        else:
            write(GOOD)
            if number % CLOSE_EVERY == 0:
                self._transport.close()


async def serve(port: int) -> None:
    """Listen until ended."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
