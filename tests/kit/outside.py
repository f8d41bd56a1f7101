"""A pretended outside: a client that answers from a script, and pauses that end when time is moved. No socket, no sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.clock import ManualClock
from proxy.control.calling import Answer, CallFailed


class Call(msgspec.Struct, frozen=True):
    """One call that was made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float

    @property
    def json(self) -> Any:
        """Its body."""
        return msgspec.json.decode(self.body)


class PretendedClient:
    """Answers each URL (its query aside) from ``answers``, the last one for ever: an ``Answer``, why it fails, or None: it hangs."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, list[Answer | str | None]] = {}
        self.hanging = 0
        self.closed = False

    async def call(
        self, method: str, url: str, *, timeout_s: float, bytes_max: int, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """See ``Client``. What is not in the script is answered 200."""
        self.calls.append(Call(method, url, headers or {}, body, timeout_s))
        script = self.answers.get(url.partition("?")[0], [Answer(200)])
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer is None:
            self.hanging += 1
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.hanging -= 1
        if isinstance(answer, str):
            raise CallFailed(answer)
        assert answer is not None
        return answer

    async def close(self) -> None:
        self.closed = True


class Pauses:
    """``sleep`` of a clock that moves when told."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self.asked: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been moved so far."""
        self.asked.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._clock.now() + seconds, future))
        await future

    async def after(self, seconds: float) -> None:
        """Move the clock, and let everything happen that was to happen by then, in its order."""
        ends = self._clock.now() + seconds
        await turns()
        while due := sorted((at, n) for n, (at, future) in enumerate(self._waiting) if at <= ends and not future.done()):
            at, n = due[0]
            self._clock.advance(max(0.0, at - self._clock.now()))
            self._waiting[n][1].set_result(None)
            await turns()
        self._clock.advance(ends - self._clock.now())


async def turns() -> None:
    """Let tasks run until nothing more can happen without time, threads or the network."""
    for _ in range(20):
        await asyncio.sleep(0)
