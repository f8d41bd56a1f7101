"""``python open_loop.py PORT RATE SECONDS PATH``: a request each 1/RATE s, whatever became of those before; figures as JSON.

A latency counts from the moment a request was due, so a proxy that stalls, or a client that is late, cannot hide it. Waits in select(),
whose timeouts are exact to microseconds where those of an event loop are to a millisecond.
"""

from __future__ import annotations

import ctypes
import gc
import json
import select
import socket
import sys
from collections import deque
from time import perf_counter

CONNECTIONS_MAX = 500  # select() takes a thousand descriptors; what is due beyond it waits, and its time counts
SETTLE_S = 2.0  # for answers still owed at the end
TIMER_SLACK = 29  # prctl: how late the kernel may wake us to save energy, 50 us unless told


class Line:
    """One connection, one request at a time."""

    __slots__ = ("due", "heard", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.heard = b""

    def fileno(self) -> int:
        """For select()."""
        return self.socket.fileno()


def complete(heard: bytes) -> bool:
    """Whether an answer is whole; SystemExit if it is not a good one."""
    head, mark, body = heard.partition(b"\r\n\r\n")
    if not mark:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"an answer was {head[:60]!r}")
    return len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


class OpenLoop:
    """The load: lines that are free, lines that wait, and what was measured."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: open-loop\r\nAccept: */*\r\n\r\n".encode()
        self._free: deque[Line] = deque()
        self._waiting: set[Line] = set()
        self._due: deque[float] = deque()
        self.seconds: list[float] = []

    def send(self, due: float) -> None:
        """A request that was due then, now or as soon as a connection is free."""
        if not self._free and len(self._waiting) >= CONNECTIONS_MAX:
            self._due.append(due)
            return
        line = self._free.popleft() if self._free else Line(self._port)
        line.due, line.heard = due, b""
        self._waiting.add(line)
        line.socket.sendall(self._request)

    def listen(self, until: float) -> None:
        """Take answers until then."""
        while (left := until - perf_counter()) > 0:
            for line in select.select(self._waiting, (), (), left)[0]:
                data = line.socket.recv(65536)
                now = perf_counter()
                if not data:
                    raise SystemExit("a connection was closed")
                line.heard += data
                if complete(line.heard):
                    self.seconds.append(now - line.due)
                    self._waiting.discard(line)
                    self._free.append(line)
                    if self._due:
                        self.send(self._due.popleft())

    def settle(self) -> None:
        """Wait for answers still owed."""
        deadline = perf_counter() + SETTLE_S
        while self._waiting:
            if perf_counter() > deadline:
                raise SystemExit(f"{len(self._waiting)} requests were not answered")
            self.listen(perf_counter() + 0.01)


def main(port: int, rate: int, seconds: int, path: str) -> None:
    """Run, and write the figures."""
    ctypes.CDLL(None).prctl(TIMER_SLACK, 1, 0, 0, 0)
    gc.disable()
    load = OpenLoop(port, path)
    began = perf_counter()
    for at in range(rate * seconds):
        due = began + at / rate
        load.listen(due)
        load.send(due)
    load.settle()
    found = sorted(load.seconds)
    p50, p99, p999 = (found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99, 0.999))
    print(json.dumps({"requests": len(found), "duration_s": seconds, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
