"""A small real HTTP/1.1 service that says which version it is, and can turn bad some seconds after its first request.

``python -m proxy.cli.demo.origin v1 [--port P] [--bad-after S]`` prints ``{"version": ..., "port": ...}`` once it accepts.
``/healthz`` is always good, as with so many real services that are broken for their users. Knows nothing of the proxy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys

_HEAD_BYTES_MAX = 64 * 1024  # a larger head is not from anything this service is for
_BODY_BYTES_MAX = 1024 * 1024  # uploads are read and thrown away; more than this is not a demo
_THINK_S = (0.001, 0.004)  # so that latency columns show something


class Service:
    """What one process serves. ``bad_after_s`` counts from the first request; None: never."""

    def __init__(self, version: str, bad_after_s: float | None, chance: random.Random) -> None:
        self.version = version
        self.served = 0
        self._bad_after_s = bad_after_s
        self._first_at: float | None = None
        self._chance = chance

    def answer(self, target: str, now: float) -> tuple[int, bytes]:
        """Status and body for a request that arrived at ``now`` (seconds, monotonic)."""
        if target == "/healthz":
            return 200, b'{"healthy": true}\n'
        self.served += 1
        if self._first_at is None:
            self._first_at = now
        said: dict[str, object] = {"version": self.version, "served": self.served}
        if self._bad_after_s is not None and now - self._first_at >= self._bad_after_s:
            return 500, json.dumps(said | {"error": "out of luck"}).encode() + b"\n"
        return 200, json.dumps(said | {"message": "hello"}).encode() + b"\n"

    def think_s(self) -> float:
        """How long the next answer takes, in seconds."""
        return self._chance.uniform(*_THINK_S)


class Connection(asyncio.Protocol):
    """One client connection: requests answered one at a time, in order."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = bytearray()
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _HEAD_BYTES_MAX + _BODY_BYTES_MAX:
            self._refuse()
        else:
            self._next()

    def _next(self) -> None:
        """Take one whole request off the buffer, if there is one and the answer before it is out."""
        end = self._buffer.find(b"\r\n\r\n")
        if self._busy or self._transport is None or end < 0:
            return
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = fields.get("content-length", "0")
        words = lines[0].split(" ")
        if len(words) != 3 or not length.isdecimal() or int(length) > _BODY_BYTES_MAX or "transfer-encoding" in fields:
            self._refuse()
            return
        if len(self._buffer) < end + 4 + int(length):
            return
        del self._buffer[: end + 4 + int(length)]
        self._busy = True
        loop = asyncio.get_running_loop()
        status, body = self._service.answer(words[1].partition("?")[0], loop.time())
        close = fields.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
        loop.call_later(self._service.think_s(), self._answer, status, body, words[0], close)

    def _answer(self, status: int, body: bytes, method: str, close: bool) -> None:
        if self._transport is None:
            return
        reason = "OK" if status == 200 else "Internal Server Error"
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        head += "connection: close\r\n\r\n" if close else "\r\n"
        self._transport.write(head.encode() + (b"" if method == "HEAD" else body))
        self._busy = False
        if close:
            self._transport.close()
        else:
            self._next()

    def _refuse(self) -> None:
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()


async def serve(service: Service, port: int, *, leash: bool) -> None:
    """Serve until TERM or INT, or, with ``leash``, until standard input ends because whoever started us is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", port)
    if leash:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 4096) else stop.set())
    print(json.dumps({"version": service.version, "port": server.sockets[0].getsockname()[1]}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m proxy.cli.demo.origin", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--port", type=int, default=0, help="0: any free port, printed")
    parser.add_argument("--bad-after", type=float, metavar="S", help="answer 500 from S seconds after the first request")
    parser.add_argument("--leash", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    service = Service(options.version, options.bad_after, random.Random(options.version))
    asyncio.run(serve(service, options.port, leash=options.leash))


if __name__ == "__main__":
    main()
