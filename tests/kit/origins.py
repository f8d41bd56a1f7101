"""An origin as a real process, which misbehaves on command.

``python -m tests.kit.origins v1`` listens on a free port and says so in a line of JSON; each line of JSON on its standard input is a
change of behaviour (fields of ``Manners``, or ``{}`` for none) and is answered by a line with what it has seen. It ends with its input.
Answers are the version's name and a line feed. Paths: ``/bytes/N`` answers N bytes, ``/slow/MS`` after that many milliseconds,
``/events`` with a stream of events without end, each of which is that name; a request body is read and its length answered in
``X-Length``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import uvloop

from proxy.clock import SystemClock
from tests.kit.processes import Child

CLOCK = SystemClock()
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_PIECE = b"x" * 65536
EVENT_S = 0.05  # between two events of a stream


@dataclass
class Manners:
    """How it behaves. ``mode``: good, status (answers ``status``), reset, hang, garbage, say, refuse (accepts no connection), or full
    (has no room for one in its queue).

    In mode say it answers with ``pieces`` (text of bytes), ``gap_s`` apart, and so long after the last one does what ``then`` says:
    stay (silent), close, reset, or next (it goes on to the next request).
    ``early``: it does so at a request's head, and reads nothing of its body.
    ``error_rate``: the share of requests that get ``status`` in mode good. ``answers_per_connection``: after so many answers the
    connection is closed without having said so. ``idle_close_s``: so long after an answer.
    """

    mode: str = "good"
    status: int = 500
    error_rate: float = 0.0
    answers_per_connection: int = 0
    idle_close_s: float = 0.0
    pieces: Sequence[str] = ()
    gap_s: float = 0.02
    then: str = "stay"
    early: bool = False


@dataclass
class Seen:
    """What it has seen; times are seconds of the machine's monotonic clock, 0 for never."""

    requests: int = 0
    failures: int = 0
    first_failure_at: float = 0.0
    last_request_at: float = 0.0
    connections: int = 0


class Origin:
    """The state of one origin process."""

    def __init__(self, version: str, port: int) -> None:
        self.version = version
        self.port = port
        self.manners = Manners()
        self.seen = Seen()
        self.connections: set[Connection] = set()
        self.chance = random.Random(version)
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n" % (
            len(version) + 1,
            version.encode(),
        )
        self._server: asyncio.Server | None = None
        self._queued: list[socket.socket] = []  # the listening one and those that fill its queue

    async def open(self) -> None:
        """Listen."""
        if self._server is None:
            server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=4096)
            self._server = server
            self.port = server.sockets[0].getsockname()[1]

    async def change(self, order: dict[str, Any]) -> Seen:
        """Behave as told from now on; returns what was seen before. An empty order changes nothing."""
        before = self.seen
        if order:
            self.manners = Manners(**order)
            self.seen = Seen()
            while self._queued:
                self._queued.pop().close()
            if self.manners.mode in ("refuse", "full"):
                if self._server is not None:
                    self._server.close()
                    self._server = None
                for connection in list(self.connections):
                    connection.transport.abort()
                if self.manners.mode == "full":
                    self._fill()
            else:
                await self.open()
        return before

    def _fill(self) -> None:
        """Listen with a queue that is full: whoever connects now hears nothing."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(0)
        self._queued = [listening, *(socket.socket() for _ in range(3))]
        for sock in self._queued[1:]:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))

    def fails(self) -> None:
        """Note a failure of ours."""
        self.seen.failures += 1
        self.seen.first_failure_at = self.seen.first_failure_at or self.seen.last_request_at


class Connection(asyncio.Protocol):
    """One connection; requests are answered in order."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._buffer = b""
        self._left = 0  # bytes of a body to come, -1 while one is chunked
        self._length = 0
        self._head = b""
        self._answers = 0
        self._owed = 0  # bytes of a long answer still to write
        self._writable = True
        self._waiting = False
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._origin.connections.add(self)
        self._origin.seen.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.connections.discard(self)
        self._stop_idling()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._write_owed()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while self._buffer and not (self._owed or self._waiting or self.transport.is_closing()):
            if self._left:
                if not self._skip_body():
                    return
            else:
                end = self._buffer.find(b"\r\n\r\n") + 4
                if end == 3:
                    return
                self._head, self._buffer = self._buffer[:end], self._buffer[end:]
                length = _LENGTH.search(self._head)
                self._left = -1 if _CHUNKED.search(self._head) else int(length[1]) if length else 0
                self._length = 0
                if self._left and self._origin.manners.early:
                    self.transport.pause_reading()
                    self._answer()
                    return
                if self._left and b"100-continue" in self._head:
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if not self._left:
                self._answer()

    def _skip_body(self) -> bool:
        """Read on in a body; whether it is over."""
        if self._left > 0:
            taken = min(self._left, len(self._buffer))
            self._buffer = self._buffer[taken:]
            self._left -= taken
            self._length += taken
            return self._left == 0
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:end], 16)
            if len(self._buffer) < end + 4 + size:
                return False
            self._buffer = self._buffer[end + 4 + size :]
            self._length += size
            if size == 0:
                self._left = 0
                return True
        return False

    def _answer(self) -> None:
        origin = self._origin
        seen, manners = origin.seen, origin.manners
        seen.requests += 1
        seen.last_request_at = CLOCK.now()
        self._stop_idling()
        match manners.mode:
            case "good":
                if manners.error_rate and origin.chance.random() < manners.error_rate:
                    self._fail(manners.status)
                else:
                    self._answer_well()
            case "status":
                self._fail(manners.status)
            case "garbage":
                origin.fails()
                self.transport.write(b"\x15\x03\x01 this is not what was asked for\r\n\r\n")
            case "reset":
                origin.fails()
                self._reset()
            case "say":
                origin.fails()
                self._waiting = True
                self._say([piece.encode("latin-1") for piece in manners.pieces], manners.gap_s, manners.then)
            case "hang":
                origin.fails()
                self._waiting = True
        self._answers += 1
        if manners.answers_per_connection and self._answers >= manners.answers_per_connection:
            self.transport.close()
        elif manners.idle_close_s:
            self._idle = asyncio.get_running_loop().call_later(manners.idle_close_s, self.transport.close)

    def _reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _say(self, pieces: list[bytes], gap_s: float, then: str) -> None:
        """The first of ``pieces`` now, the others in time, then the end."""
        if self.transport.is_closing():
            return
        if pieces:
            self.transport.write(pieces[0])
            asyncio.get_running_loop().call_later(gap_s, self._say, pieces[1:], gap_s, then)
        elif then == "close":
            self.transport.close()
        elif then == "reset":
            self._reset()
        elif then == "next":
            self._waiting = False
            self._go_on()

    def _fail(self, status: int) -> None:
        self._origin.fails()
        body = self._origin.version.encode() + b"\n"
        self.transport.write(b"HTTP/1.1 %d Bad\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

    def _answer_well(self) -> None:
        target = self._head.split(b" ", 2)[1]
        if target.startswith(b"/bytes/"):
            self._owed = int(target[7:])
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._owed)
            self._write_owed()
        elif target == b"/events":
            self._waiting = True
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._tell()
        elif target.startswith(b"/slow/"):
            self._waiting = True
            asyncio.get_running_loop().call_later(int(target[6:]) / 1000, self._answer_late)
        elif self._length:
            self.transport.write(self._origin.answer.replace(b"\r\n\r\n", b"\r\nX-Length: %d\r\n\r\n" % self._length, 1))
        else:
            self.transport.write(self._origin.answer)

    def _tell(self) -> None:
        """One event, and the next one later."""
        if not self.transport.is_closing():
            event = b"data: %b\n\n" % self._origin.version.encode()
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            asyncio.get_running_loop().call_later(EVENT_S, self._tell)

    def _answer_late(self) -> None:
        self._waiting = False
        if not self.transport.is_closing():
            self.transport.write(self._origin.answer)
            self._go_on()

    def _write_owed(self) -> None:
        while self._owed and self._writable and not self.transport.is_closing():
            piece = _PIECE[: self._owed]
            self._owed -= len(piece)
            self.transport.write(piece)
        if not self._owed:
            self._go_on()

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


async def _serve(version: str, port: int) -> None:
    origin = Origin(version, port)
    await origin.open()
    print(json.dumps({"port": origin.port}), flush=True)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def obey() -> None:
        for line in sys.stdin:
            seen = asyncio.run_coroutine_threadsafe(origin.change(json.loads(line)), loop).result()
            print(json.dumps(asdict(seen)), flush=True)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=obey, daemon=True).start()
    await ended.wait()


class OriginProcess:
    """A started origin. ``behave`` changes its manners and returns what it had seen under the old ones."""

    def __init__(self, version: str, directory: Path, port: int = 0) -> None:
        self.version = version
        command = [sys.executable, "-m", "tests.kit.origins", version, str(port)]
        self._child = Child(command, directory, f"origin-{version}-{os.urandom(3).hex()}", piped=True)
        self.port = int(self._line()["port"])
        self.url = f"http://127.0.0.1:{self.port}"

    def behave(self, **manners: object) -> Seen:
        """From now on; what is not named is as in the beginning."""
        return self._order(asdict(Manners()) | manners)

    def seen(self) -> Seen:
        """Since the last change."""
        return self._order({})

    def end(self) -> None:
        """Stop it."""
        self._child.end()

    def _order(self, order: dict[str, Any]) -> Seen:
        assert {*order} <= {field.name for field in fields(Manners)}
        assert self._child.process.stdin is not None
        self._child.process.stdin.write(json.dumps(order).encode() + b"\n")
        self._child.process.stdin.flush()
        return Seen(**self._line())

    def _line(self) -> dict[str, Any]:
        assert self._child.process.stdout is not None
        line = self._child.process.stdout.readline()
        assert line, self._child.tail()
        return cast(dict[str, Any], json.loads(line))


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
