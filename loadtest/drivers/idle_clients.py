"""``python idle_clients.py PORT NUMBER``: connect, ask once, be answered, and stay; says ``held`` when all do, until it is ended."""

from __future__ import annotations

import contextlib
import socket
import sys
import time

BATCH = 50  # at a time: within the listener's backlog, and few connections to the origin
SETTLE_S = 0.5  # for a proxy to note that nobody speaks
REQUEST = b"GET /small-get HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: idle\r\nAccept: */*\r\n\r\n"


def ask(sock: socket.socket) -> None:
    """One request and its answer; SystemExit if it is not a good one that leaves the connection open."""
    sock.sendall(REQUEST)
    heard = b""
    while b"\r\n\r\n" not in heard:
        data = sock.recv(65536)
        if not data:
            raise SystemExit("a connection was closed before its answer")
        heard += data
    head, _, body = heard.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or b"\r\nconnection: close" in head.lower():
        raise SystemExit(f"an answer was {head[:300]!r}")
    left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(sock.recv(left)) or left


def closed(sock: socket.socket) -> bool:
    """Whether the other side has hung up."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return sock.recv(1) == b""
    return False


def main(port: int, number: int) -> None:
    """Hold them."""
    held: list[socket.socket] = []
    while len(held) < number:
        batch = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(min(BATCH, number - len(held)))]
        for sock in batch:
            ask(sock)
        held += batch
    time.sleep(SETTLE_S)
    if gone := sum(closed(sock) for sock in held):
        raise SystemExit(f"{gone} of {number} idle connections were closed")
    print("held", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
