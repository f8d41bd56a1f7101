"""``python -m loadtest slow``: what thousands of slow clients cost the others, in turns with and without them.

The good traffic is an open loop: a request each millisecond, whatever became of those before; a latency counts from when it was due.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import cast

import uvloop

from loadtest import origin
from loadtest.contenders.headgate import HEADGATE
from loadtest.contenders.site import Site, program
from loadtest.faults import RigError
from loadtest.processes import Child, Children, await_ready, end, free_port

CLIENTS = 5000
RATE = 1000
REQUEST = b"GET /small-get HTTP/1.1\r\nHost: shop.example\r\n\r\n"
SETTLE_S = 2.0  # for answers still owed when a round is over
HELD_S = 60.0  # for the slow clients to connect
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Round:
    """Good traffic of one round; latencies in milliseconds."""

    p50_ms: float
    p99_ms: float
    failed: int


class Line(asyncio.Protocol):
    """One connection of the good traffic, one request at a time."""

    def __init__(self, loop: OpenLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def ask(self, due: float) -> None:
        """Send a request that was due then."""
        self._due, self._heard = due, b""
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Once the answer is whole it counts."""
        self._heard += data
        head, mark, body = self._heard.partition(b"\r\n\r\n")
        if mark and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0):
            self._loop.heard(self, self._due, head.startswith(b"HTTP/1.1 200"))


class OpenLoop:
    """So many requests a second on as many connections as it takes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[Line] = deque()
        self._lines: list[Line] = []
        self._good: list[float] = []
        self._sent = 0

    def heard(self, line: Line, due: float, good: bool) -> None:
        """An answer has come."""
        if good:
            self._good.append((time.perf_counter() - due) * 1e3)
        self._free.append(line)

    async def _line(self) -> Line:
        if self._free:
            return self._free.popleft()
        _, line = await asyncio.get_running_loop().create_connection(lambda: Line(self), "127.0.0.1", self._port)
        self._lines.append(line)
        return line

    async def run(self, seconds: float) -> Round:
        """One round; what was not answered well by its end, or a while later, has failed."""
        due = time.perf_counter()
        for _ in range(round(seconds * RATE)):
            due += 1 / RATE
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            (await self._line()).ask(due)
            self._sent += 1
        await asyncio.sleep(SETTLE_S)
        for line in self._lines:
            line.transport.close()
        if len(self._good) < 2:
            raise RigError("the good traffic got no answers")
        cuts = quantiles(self._good, n=100)
        return Round(cuts[49], cuts[98], self._sent - len(self._good))


def measure(port: int, seconds: float) -> Round:
    """A round on a loop of its own."""
    return uvloop.run(OpenLoop(port).run(seconds))


def held(child: Child) -> None:
    """Return once all slow clients are connected."""
    deadline = time.monotonic() + HELD_S
    while "held" not in child.last_words():
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise RigError(f"the slow clients did not connect:\n{child.last_words()}")
        time.sleep(0.05)


def slow(rounds: int, seconds: float) -> list[tuple[Round, Round]]:
    """Pairs of rounds, without and with slow clients."""
    nginx = program("nginx")
    if not nginx:
        raise RigError("slow needs nginx as its origin, and it is not installed")
    pairs = []
    with tempfile.TemporaryDirectory(prefix="headgate-slow-") as name, Children(Path(name)) as children:
        folder = Path(name)
        behind = origin.start(children, nginx, folder, None)
        site = Site(folder, free_port(), free_port(), behind.ports)
        launch = HEADGATE.launch(site)
        await_ready(children.start("headgate", launch.argv, core=None), *launch.ready)
        for at in range(rounds):
            before = measure(site.port, seconds)
            argv = [sys.executable, str(HERE / "slow_clients.py"), str(site.port), str(CLIENTS)]
            child = children.start(f"slow-{at}", argv, core=None)
            held(child)
            pairs.append((before, measure(site.port, seconds)))
            end(child.process)
    return pairs


def table(pairs: list[tuple[Round, Round]]) -> str:
    """A line a round, and the medians."""
    lines = [
        f"{'round':>8} {'p50 ms':>8} {'p99 ms':>8}  {CLIENTS} slow clients: {'p50 ms':>8} {'p99 ms':>8} {'failed':>7} {'ratio':>10}"
    ]
    for at, (alone, beside) in enumerate(pairs, 1):
        lines.append(
            f"{at:>8} {alone.p50_ms:8.2f} {alone.p99_ms:8.2f} {beside.p50_ms:30.2f} {beside.p99_ms:8.2f}"
            f" {alone.failed + beside.failed:7} {beside.p99_ms / alone.p99_ms:10.2f}"
        )
    without, with_ = median(each.p99_ms for each, _ in pairs), median(each.p99_ms for _, each in pairs)
    lines.append(f"medians: p99 {without:.2f} ms alone, {with_:.2f} ms beside them, {with_ / without:.2f} times")
    return "\n".join(lines)
