"""The way to the comparer, a process beside the workers: pairs go there, and a byte comes back for each. Nothing here is waited for.

A pair is a frame as on the channel of the planes (four bytes of length, big-endian, and msgpack); the answers come in the order of the
pairs, ``=`` for a match and ``!`` for a mismatch. Pairs that cannot be taken, or whose answer never comes, are dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol, cast

import msgspec

from proxy import limits
from proxy.model.pair import Pair
from proxy.tasks import TaskGroup

MATCH = ord("=")


class Count(Protocol):
    """Who is told what came of a pair."""

    def end(self, result: str) -> None: ...
    def drop(self, reason: str) -> None: ...


class Comparing(asyncio.Protocol):
    """One worker's connection to the comparer at ``use``'s path; made again when it ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tasks: TaskGroup) -> None:
        self._loop = loop
        self._tasks = tasks
        self._path = ""
        self._transport: Any = None
        self._trying: asyncio.Task[None] | None = None
        self._waiting: deque[Count | None] = deque()
        self._encode = msgspec.msgpack.Encoder().encode

    def use(self, path: str) -> None:
        """Compare there from now on; nowhere when it is empty."""
        if path == self._path:
            return
        self._path = path
        self.close()
        if path:
            self._trying = self._tasks.spawn(self._reach(path), name="comparer")

    @property
    def connected(self) -> bool:
        """Whether pairs can be sent."""
        return self._transport is not None

    def offer(self, pair: Pair, count: Count | None) -> None:
        """Have a pair compared; ``count`` is told, unless it is None."""
        transport = self._transport
        if (
            transport is None
            or len(self._waiting) >= limits.COMPARING_PAIRS_MAX
            or transport.get_write_buffer_size() >= limits.COMPARING_BACKLOG_BYTES_MAX
        ):
            if count is not None:
                count.drop("comparer")
            return
        body = self._encode(pair)
        self._waiting.append(count)
        transport.writelines((len(body).to_bytes(4, "big"), body))

    def close(self) -> None:
        """Compare no more."""
        if self._trying is not None:
            self._trying.cancel()
            self._trying = None
        if self._transport is not None:
            self._transport.abort()
            self._lose()

    async def _reach(self, path: str) -> None:
        while self._transport is None:
            try:
                await self._loop.create_unix_connection(lambda: self, path)
            except OSError:  # it is being started, or has just ended
                await asyncio.sleep(limits.COMPARER_RETRY_S)

    # -- protocol interface -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Any, transport)

    def data_received(self, data: bytes) -> None:
        for byte in data:
            count = self._waiting.popleft() if self._waiting else None
            if count is not None:
                count.end("match" if byte == MATCH else "mismatch")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._lose()
            self._trying = self._tasks.spawn(self._reach(self._path), name="comparer")

    def _lose(self) -> None:
        self._transport = None
        waiting, self._waiting = self._waiting, deque()
        for count in waiting:
            if count is not None:
                count.drop("comparer")
