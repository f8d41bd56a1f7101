"""A pretended admin over a real loopback socket: answers what a test scripted, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class PretendedAdmin:
    """``answers`` maps ``METHOD path`` to (status, media type, bytes or JSON value); ``asked`` is (line, body, authorization)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, Any]] = {}
        self.asked: list[tuple[str, Any, str | None]] = []
        self.users: list[str | None] = []
        """Who said so, of each of ``asked``."""
        self.url = ""

    def says(self, line: str, value: Any, *, status: int = 200, media: str = "application/json") -> None:
        """Script one answer; a list of answers is given one after the other, the last one again and again."""
        self.answers[line] = (status, media, value)

    def answer(self, line: str) -> tuple[int, str, bytes]:
        """What is sent for ``line``."""
        status, media, value = self.answers.get(line, (404, "application/problem+json", {"title": "Not Found", "detail": line}))
        if isinstance(value, list) and media == "application/json":
            value = value.pop(0) if len(value) > 1 else value[0]
        return status, media, value if isinstance(value, bytes) else json.dumps(value).encode()


@contextmanager
def pretended_admin() -> Iterator[PretendedAdmin]:
    """One, on a free port, for as long as the block lasts."""
    admin = PretendedAdmin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            line = f"{self.command} {self.path}"
            admin.asked.append((line, json.loads(body) if body else None, self.headers.get("authorization")))
            admin.users.append(self.headers.get("x-headgate-user"))
            status, media, data = admin.answer(line)
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing: a test's output is its own."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    admin.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield admin
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
