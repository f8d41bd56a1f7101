"""Clients on raw sockets that check every answer, on a loop and in a thread of their own, so a test can operate the proxy meanwhile.

Answers have a Content-Length and a version's name as their body. A connection that ends while an answer is owed is a failure, with
what is needed to say why; one that the server announced with ``Connection: close`` is none.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import uvloop

from proxy.clock import SystemClock
from proxy.tasks import TaskGroup

CLOCK = SystemClock()
START_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def get(host: str = "shop", path: str = "/", *fields: str) -> bytes:
    """A GET as bytes; ``fields`` are header lines."""
    return "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", "")).encode()


@dataclass(frozen=True)
class Answer:
    """One answer; times are of the machine's monotonic clock."""

    status: int
    body: str
    sent_at: float
    answered_at: float

    @property
    def good(self) -> bool:
        return self.status == 200


@dataclass(frozen=True)
class Failure:
    """A request without an answer. ``answered_before`` on the same connection; ``begun``: a byte of the answer had come."""

    at: float
    sent_at: float
    why: str
    answered_before: int
    begun: bool


@dataclass
class Outcome:
    """What a client has seen."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def counts(self) -> Counter[tuple[int, str]]:
        """Answers by status and body."""
        return Counter((answer.status, answer.body) for answer in self.answers)

    @property
    def bad(self) -> list[Answer]:
        return [answer for answer in self.answers if not answer.good]


class Line(asyncio.Protocol):
    """One client connection; requests may be pipelined."""

    def __init__(self, heard: Callable[[Line, Answer, bool], None], lost: Callable[[Line, Failure | None], None]) -> None:
        """``heard`` gets each answer and whether the server closes after it; ``lost`` the end, with a failure if one was owed."""
        self._heard = heard
        self._lost = lost
        self._buffer = b""
        self.owed: deque[float] = deque()
        self.answered = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    def ask(self, head: bytes, times: int = 1) -> None:
        """Send requests, all of them in ``head``."""
        now = CLOCK.now()
        for _ in range(times):
            self.owed.append(now)
        self.transport.write(head)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        at = 0
        while (end := buffer.find(b"\r\n\r\n", at)) >= 0:
            length = _LENGTH.search(buffer, at, end + 2)
            assert length is not None, buffer[at:end]
            stop = end + 4 + int(length[1])
            if len(buffer) < stop:
                break
            closes = _CLOSE.search(buffer, at, end + 2) is not None
            body = buffer[end + 4 : stop].decode().strip()
            answer = Answer(int(buffer[at + 9 : at + 12]), body, self.owed.popleft(), CLOCK.now())
            at = stop
            self.answered += 1
            self._heard(self, answer, closes)
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        failure = None
        if self.owed:
            failure = Failure(CLOCK.now(), self.owed[0], repr(exc) if exc else "closed", self.answered, bool(self._buffer))
        self._lost(self, failure)


def ask_all(port: int, heads: Sequence[bytes], *, connections: int = 8, depth: int = 16) -> list[Answer]:
    """Every request sent and answered, over a few pipelined connections; answers in the order of ``heads``. No failure is allowed."""

    async def main() -> list[Answer]:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        answers: list[Answer | None] = [None] * len(heads)
        left = len(heads)
        queues: dict[Line, deque[int]] = {}

        def heard(line: Line, answer: Answer, closes: bool) -> None:
            nonlocal left
            answers[queues[line].popleft()] = answer
            left -= 1
            if not left and not done.done():
                done.set_result(None)
            elif not queues[line]:
                more(line)

        def lost(_line: Line, failure: Failure | None) -> None:
            if left and not done.done():
                done.set_exception(AssertionError(f"a connection was lost: {failure}"))

        def more(line: Line) -> None:
            batch = list(islice(waiting, depth))
            if batch:
                queues[line].extend(batch)
                line.ask(b"".join([heads[index] for index in batch]), len(batch))

        waiting = iter(range(len(heads)))
        for _ in range(connections):
            _, line = await loop.create_connection(lambda: Line(heard, lost), "127.0.0.1", port)
            queues[line] = deque()
        for line in queues:
            more(line)
        try:
            async with asyncio.timeout(120):
                await done
        finally:
            for line in queues:
                line.transport.abort()
            await asyncio.sleep(0)  # the transports' own turn, in which they end
        return cast(list[Answer], answers)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


class _Client:
    """A thread with a loop, and connections on it."""

    def __init__(self, port: int) -> None:
        self.outcome = Outcome()
        self._port = port
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()
        self._error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[Outcome]:
        """Run while the block does; after it nothing is under way any more."""
        self._thread.start()
        assert self._started.wait(START_S), "the client did not start"
        try:
            yield self.outcome
        finally:
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(START_S + 30)
        assert not self._thread.is_alive(), "the client did not stop"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self._main())
        except BaseException as error:  # told to the test, in its thread
            self._error = error

    async def _main(self) -> None:
        self._tasks = TaskGroup(self._failed)
        self._ended = asyncio.Event()
        self._begin()
        self._started.set()
        await self._ended.wait()
        await self._tasks.close()

    def _failed(self, _name: str, error: BaseException) -> None:
        self._error = error
        self._ended.set()

    def _begin(self) -> None:
        raise NotImplementedError

    def _stop(self) -> None:
        raise NotImplementedError

    async def _connect(self, heard: Callable[[Line, Answer, bool], None], lost: Callable[[Line, Failure | None], None]) -> Line | None:
        """A connection; a refused one is a failure, and none."""
        began = CLOCK.now()
        try:
            _, line = await self._loop.create_connection(lambda: Line(heard, lost), "127.0.0.1", self._port)
        except OSError as error:
            self.outcome.failures.append(Failure(CLOCK.now(), began, f"connect: {error!r}", 0, False))
            return None
        return line


class Load(_Client):
    """Connections that each ask, wait for the answer, and ask again; lost ones are made anew. ``pause_s`` between two requests."""

    def __init__(self, port: int, heads: Sequence[bytes] = (), *, connections: int = 8, pause_s: float = 0.0) -> None:
        super().__init__(port)
        self._heads = heads or (get(),)
        self._connections = connections
        self._pause_s = pause_s
        self._next = 0
        self._open = 0

    def _begin(self) -> None:
        for _ in range(self._connections):
            self._open += 1
            self._tasks.spawn(self._again(), name="connect")

    def _stop(self) -> None:
        self._stopping = True
        if not self._open:
            self._ended.set()

    async def _again(self) -> None:
        while (line := await self._connect(self._heard, self._lost)) is None:
            if self._stopping:
                self._one_less()
                return
            await asyncio.sleep(0.02)
        self._ask(line)

    def _ask(self, line: Line) -> None:
        if self._stopping:
            line.transport.close()
        elif not line.transport.is_closing():
            self._next += 1
            line.ask(self._heads[self._next % len(self._heads)])

    def _heard(self, line: Line, answer: Answer, closes: bool) -> None:
        self.outcome.answers.append(answer)
        if closes:
            line.transport.close()
        elif self._pause_s:
            self._loop.call_later(self._pause_s, self._ask, line)
        else:
            self._ask(line)

    def _lost(self, _line: Line, failure: Failure | None) -> None:
        if failure is not None:
            self.outcome.failures.append(failure)
        if self._stopping:
            self._one_less()
        else:
            self._tasks.spawn(self._again(), name="connect")

    def _one_less(self) -> None:
        self._open -= 1
        if not self._open:
            self._ended.set()


class Paced(_Client):
    """So many requests a second, whatever becomes of those before; ``heads`` in turn, each request on a connection of its own while
    it lasts. Answers of ``heads[i]`` are in ``by_head[i]``.

    Connections are used in turn. ``lines`` are opened before they are needed: where several workers accept, the few that quick answers
    need may all be one worker's.
    """

    def __init__(self, port: int, heads: Sequence[bytes], *, rate: float, lines: int = 0) -> None:
        super().__init__(port)
        self._lines = lines
        self._heads = heads
        self._gap_s = 1.0 / rate
        self.by_head: list[list[Answer]] = [[] for _ in heads]
        self._free: deque[Line] = deque()
        self._which: dict[Line, int] = {}
        self._sent = 0

    def _begin(self) -> None:
        self._due = self._loop.time()
        for _ in range(self._lines):
            self._tasks.spawn(self._open(), name="connect")
        self._tick()

    def _stop(self) -> None:
        self._stopping = True
        self._maybe_end()

    def _maybe_end(self) -> None:
        if self._stopping and not self._which and not len(self._tasks):
            for line in self._free:
                line.transport.abort()
            self._ended.set()

    def _tick(self) -> None:
        while not self._stopping and self._due <= self._loop.time():
            self._due += self._gap_s
            index = self._sent % len(self._heads)
            self._sent += 1
            while self._free and self._free[0].transport.is_closing():
                self._free.popleft()
            if self._free:
                self._ask(self._free.popleft(), index)
            else:
                self._tasks.spawn(self._ask_anew(index), name="connect")
        if not self._stopping:
            self._loop.call_at(self._due, self._tick)

    async def _open(self) -> None:
        line = await self._connect(self._heard, self._lost)
        if line is not None:
            self._free.append(line)
        self._loop.call_soon(self._maybe_end)

    async def _ask_anew(self, index: int) -> None:
        line = await self._connect(self._heard, self._lost)
        if line is not None:
            self._ask(line, index)
        self._loop.call_soon(self._maybe_end)

    def _ask(self, line: Line, index: int) -> None:
        self._which[line] = index
        line.ask(self._heads[index])

    def _heard(self, line: Line, answer: Answer, closes: bool) -> None:
        self.outcome.answers.append(answer)
        self.by_head[self._which.pop(line)].append(answer)
        if closes:
            line.transport.close()
        else:
            self._free.append(line)
        self._maybe_end()

    def _lost(self, line: Line, failure: Failure | None) -> None:
        if failure is not None:
            self.outcome.failures.append(failure)
        if line in self._free:
            self._free.remove(line)
        self._which.pop(line, None)
        self._maybe_end()
