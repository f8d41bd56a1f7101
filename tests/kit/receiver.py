"""Somebody outside on a real loopback socket: takes hooks, queries and notifications, keeps them, and behaves as badly as told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

HUGE_BYTES = 100 * 1024 * 1024
DRIP_S = 0.05


@dataclass(frozen=True)
class Taken:
    """One request: its line without the protocol, its headers in lower case, and its body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class Receiver:
    """``mode``: good (``status`` and ``body``), hang, close, garbage, huge, drip (a byte at a time, for ever), lies (about its length).

    ``script``: (status, body) of the next requests, taken one after the other before ``status`` and ``body`` hold again. ``act`` is
    done with each request before it is answered.
    """

    def __init__(self) -> None:
        self.mode = "good"
        self.act: Callable[[Taken], None] = lambda taken: None
        self.status = 200
        self.body = b"ok"
        self.headers: dict[str, str] = {}
        self.script: list[tuple[int, bytes]] = []
        self.taken: list[Taken] = []
        self.sent_bytes = 0
        self.port = 0
        self.over = threading.Event()
        """Set when it ends: whoever hangs stops."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[str]:
        """Of all requests, in their order."""
        return [taken.line for taken in self.taken]

    def answer(self, connection: Any) -> None:
        """Take one request and behave."""
        taken = _taken(connection)
        if taken is None:
            return
        self.taken.append(taken)
        self.act(taken)
        match self.mode:
            case "hang":
                self.over.wait(60)
            case "close":
                return
            case "garbage":
                self._send(connection, b"220 mail.example ESMTP ready\r\n\r\n")
            case "lies":
                self._send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            case "huge":
                self._send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
                while self.sent_bytes < HUGE_BYTES and self._send(connection, b"x" * 65536):
                    pass
            case "drip":
                self._send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
                while self._send(connection, b"x") and not self.over.wait(DRIP_S):
                    pass
            case _:
                status, body = self.script.pop(0) if self.script else (self.status, self.body)
                head = {"Content-Length": str(len(body)), "Connection": "close", **self.headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
                self._send(connection, f"HTTP/1.1 {status} So\r\n{lines}\r\n".encode() + body)

    def _send(self, connection: Any, data: bytes) -> bool:
        """False when the peer has had enough."""
        with suppress(OSError):
            connection.sendall(data)
            self.sent_bytes += len(data)
            return True
        return False


def _taken(connection: Any) -> Taken | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Taken(first.rpartition(" ")[0], headers, body)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One, on a free port, for as long as the block lasts."""
    made = Receiver()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: a peer that leaves is no failure of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        thread.join(5)
        server.server_close()
