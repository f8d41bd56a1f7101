"""Rules of routes over real sockets: a real client, two workers, an origin that says what it got."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit.running import Headgate, place

ROUTES = """\
  - match: {path_prefix: /api}
    service: echo
    headers: {request: {set: {x-from: edge}, remove: [x-debug]}, response: {set: {x-to: you}, remove: [server]}}
    rewrite: {prefix: /}
  - {match: {path: /old}, redirect: {scheme: https, host: "new.example:8443", status: 308}}
  - {match: {path_prefix: /small}, service: echo, body_limit: 1KiB}
  - {match: {path_prefix: /rare}, service: echo, rate_limit: {requests: 1, per: 1h, burst: 1, key: none}}
"""


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headgate]:
    origin = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    origin.daemon_threads = True
    thread = threading.Thread(target=origin.serve_forever, args=(0.05,))
    thread.start()
    try:
        with place(tmp_path_factory.mktemp("routes"), "v1") as here:
            here.write(more=ROUTES, workers=1)
            file = here.folder / "headgate.yaml"
            echo = f'  echo: {{versions: {{v1: {{endpoints: ["127.0.0.1:{origin.server_port}"]}}}}, target: v1}}\n'
            _insert(file, "routes:\n", echo)
            yield here.running()
    finally:
        origin.shutdown()
        origin.server_close()
        thread.join()


def _insert(file: Path, before: str, text: str) -> None:
    file.write_text(file.read_text().replace(before, text + before, 1))


def ask(proxy: Headgate, path: str, headers: dict[str, str] | None = None) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.listener, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_a_route_changes_path_and_heads_on_both_ways(proxy: Headgate) -> None:
    response, body = ask(proxy, "/api/users?id=1", {"X-From": "me", "X-Debug": "1"})
    got = json.loads(body)

    assert ("/users?id=1", "edge", None) == (got["path"], got["headers"]["x-from"], got["headers"].get("x-debug"))
    assert ("you", None) == (response.headers["x-to"], response.headers["server"])


def test_a_route_redirects(proxy: Headgate) -> None:
    response, _ = ask(proxy, "/old?q=1")

    assert (308, "https://new.example:8443/old?q=1") == (response.status, response.headers["location"])


def test_a_client_that_sends_too_much_reads_its_413_while_it_sends(proxy: Headgate) -> None:
    with socket.create_connection(("127.0.0.1", proxy.listener), timeout=10) as sock:
        sock.sendall(b"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            sock.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        answer = sock.makefile("rb").read()

    assert b"HTTP/1.1 413 " == answer[:13]


def test_what_is_over_the_rate_is_told_when_to_come_back_and_counted_without_a_version(proxy: Headgate) -> None:
    assert 200 == ask(proxy, "/rare")[0].status
    response, _ = ask(proxy, "/rare")

    assert 429 == response.status
    assert 3500 < int(response.headers["retry-after"]) <= 3600
    assert 'headgate_requests_total{code="429",service="echo",version=""} 1.0' in proxy.call("GET", "/metrics")[1]
