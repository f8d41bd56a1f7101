"""An origin in a thread of the test that says what it was asked: the standard library's HTTP server, so neither side is ours.

Every answer is JSON (``Asked``) unless the path says otherwise: see the methods of ``_Handler``. Nothing here knows of the proxy.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_BODY_BYTES_MAX = 64 * 1024 * 1024
_HELD_S = 30.0  # an answer that nobody releases


@dataclass
class Asked:
    """One request as it came. ``headers`` in their order; ``digest``: the SHA-256 of the body, ``framing`` how it was delimited."""

    method: str
    target: str
    headers: list[list[str]]
    framing: str = "none"
    length: int = 0
    digest: str = ""
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> list[str]:
        """The values of a header, none if there was none."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def shown(self) -> bytes:
        """As JSON, the body aside."""
        return json.dumps({key: value for key, value in asdict(self).items() if key != "body"}).encode() + b"\n"


class EchoOrigin:
    """A started origin. ``asked`` is what came, oldest first; ``pages`` what paths answer with instead, as HTML."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.pages: dict[str, bytes] = {}
        self.held = threading.Event()  # set when a request waits for its answer
        self.release = threading.Event()
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    def end(self) -> None:
        """Stop accepting; connections end with their clients."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # the default of 5 lets many connections at once wait a second


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def __init__(self, origin: EchoOrigin, *args: Any) -> None:
        self._origin = origin
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written to standard error."""

    def handle_expect_100(self) -> bool:
        """``/refuse`` answers 403 at once, ``/late`` never says 100; the others go by the book."""
        if self.path == "/refuse":
            self._note(b"", "unread")
            self.close_connection = True
            self._reply(403, b"no\n", "Connection: close")
            return False
        return self.path == "/late" or super().handle_expect_100()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any method
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        length = self.headers.get("Content-Length")
        body = b"".join(self._chunks()) if chunked else self.rfile.read(min(int(length or 0), _BODY_BYTES_MAX))
        asked = self._note(body, "chunked" if chunked else "length" if length is not None else "none")
        path = self.path.partition("?")[0]
        if path in self._origin.pages:
            self._reply(200, self._origin.pages[path], "Content-Type: text/html; charset=utf-8")
        else:
            getattr(self, "_" + path.strip("/").replace("-", "_"), self._echo)(asked)

    def _note(self, body: bytes, framing: str) -> Asked:
        headers = [[name, value] for name, value in self.headers.items()]
        asked = Asked(self.command, self.path, headers, framing, len(body), hashlib.sha256(body).hexdigest(), body)
        self._origin.asked.append(asked)
        return asked

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _reply(self, status: int, body: bytes, *lines: str) -> None:
        self.send_response(status)
        for line in lines:
            name, _, value = line.partition(": ")
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # ---- what paths answer ------------------------------------------------------------------------------------------------------

    def _echo(self, asked: Asked) -> None:
        self._reply(200, asked.shown(), "Content-Type: application/json")

    def _zipped(self, asked: Asked) -> None:
        self._reply(200, gzip.compress(b"packed " * 10_000, mtime=0), "Content-Encoding: gzip")

    def _moved(self, asked: Asked) -> None:
        """302: a client goes on with GET."""
        self._reply(302, b"", "Location: /there?a=1")

    def _moved_as_it_is(self, asked: Asked) -> None:
        """307: a client goes on with the same method and body."""
        self._reply(307, b"", "Location: /there")

    def _in_circles(self, asked: Asked) -> None:
        self._reply(302, b"", "Location: /in-circles")

    def _trailers(self, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Trailer", "X-Sum")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Sum: 42\r\n\r\n")

    def _nine(self, asked: Asked) -> None:
        """As HTTP/0.9: a body without a head."""
        self.wfile.write(b"this is how it was in 1991\n")
        self.close_connection = True

    def _short(self, asked: Asked) -> None:
        """Fewer bytes than announced."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def _hints(self, asked: Asked) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        self._echo(asked)

    def _held(self, asked: Asked) -> None:
        """After ``release`` is set."""
        self._origin.held.set()
        self._origin.release.wait(_HELD_S)
        self._echo(asked)

    def _events(self, asked: Asked) -> None:
        """Server-sent events in two streams: 1 to 3, then the end; who comes back with 3 gets 4, 5 and a stream that stays open."""
        seen = self.headers.get("Last-Event-ID")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"retry: 50\n\n")
        for number in (4, 5) if seen == "3" else (1, 2, 3):
            self.wfile.write(b"id: %d\ndata: event %d\n\n" % (number, number))
        if seen == "3":
            self.connection.settimeout(_HELD_S)
            self.rfile.read(1)  # until the client goes
