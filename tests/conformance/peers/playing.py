"""One case played over sockets: a client through a proxy to the recording origin, then a victim that did nothing wrong.

Nothing waits for time to pass: a client reads until it has what it may expect, or its connection ends, or all has been quiet for a
while.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.peers.origin import Origin, Script, Seen
from tests.kit.strict_reader import Ambiguous, Incomplete, Message, read_responses

Case = dict[str, Any]
LOST_S = 5.0  # a proxy that answers nothing at all for so long is not going to


@dataclass
class Heard:
    """What one client connection heard, and whether the proxy ended it."""

    data: bytes = b""
    ended: bool = False

    def answers(self, methods: list[str]) -> list[Message]:
        """Read strictly, interim ones included; Ambiguous or Incomplete."""
        try:
            return read_responses(self.data, methods, ended=self.ended)
        except (ValueError, IndexError) as why:
            raise Ambiguous(f"no status line: {self.data[:60]!r}") from why


@dataclass
class Played:
    """All that a case left behind."""

    case: Case
    seen: Seen
    heard: Heard
    own: dict[str, str] = field(default_factory=dict)
    """Target of a following request -> its body if it was answered 200, else the status, or ``none``."""


def status(message: Message) -> int:
    """The status code of an answer."""
    return int(message.first.split(" ")[1])


def finals(answers: list[Message]) -> list[Message]:
    """Without the interim ones."""
    return [answer for answer in answers if status(answer) >= 200]


class Client:
    """One connection to a proxy."""

    def __init__(self, quiet_s: float) -> None:
        self.heard = Heard()
        self._quiet_s = quiet_s

    async def connect(self, port: int) -> Client:
        """To 127.0.0.1."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def says(self, data: bytes, *, ends: bool = False) -> None:
        """All of it; a proxy that has had enough is no failure."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()
            if ends:
                self._writer.write_eof()

    async def hears(self, methods: list[str], count: int, *, end: bool) -> None:
        """Until ``count`` final answers (and, with ``end``, the end), or the end, or quiet."""
        while not self.heard.ended:
            with suppress(Ambiguous):
                answers = finals(self.heard.answers(methods))
                if len(answers) >= count and not end:
                    return
                # Some say so and leave it to the client for a second or more; it is as good, and ours is never waited for.
                if len(answers) >= count > 0 and answers[-1].values("connection") == ["close"] and self._quiet_s < LOST_S:
                    self.heard.ended = True
                    return
            try:
                piece = await asyncio.wait_for(self._reader.read(65536), self._quiet_s)
            except TimeoutError:
                return
            except ConnectionError:
                piece = b""
            self.heard.data += piece
            self.heard.ended = not piece

    async def asks(self, target: str) -> str:
        """A request of one's own: its body if it was answered 200, else the status, or ``none``."""
        before = len(self.heard.data)
        await self.says(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        own = Heard()
        while True:
            own.data, own.ended = self.heard.data[before:], self.heard.ended
            with suppress(Incomplete):
                answers = finals(own.answers(["GET"]))
                if answers:
                    return answers[0].body.decode("latin-1") if status(answers[0]) == 200 else str(status(answers[0]))
            if own.ended:
                return "none"
            length = len(self.heard.data)
            try:
                piece = await asyncio.wait_for(self._reader.read(65536), min(LOST_S, 5 * self._quiet_s))
            except (ConnectionError, TimeoutError):
                piece = b""
            self.heard.data += piece
            self.heard.ended = len(self.heard.data) == length

    async def leaves(self) -> None:
        """Close."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


async def play_request(case: Case, port: int, origin: Origin, quiet_s: float) -> Played:
    """The client misbehaves."""
    origin.begin()
    methods = [line.split(" ")[0] for line in case.get("origin", [])]
    client = await Client(quiet_s).connect(port)
    await client.says(case["say"].encode("latin-1"), ends=case.get("ends", False))
    await client.hears(methods, len(case["answer"]), end=case["closed"])
    own = {"/victim": await victim(port, quiet_s)}
    await client.leaves()
    return Played(case, await origin.finish(), client.heard, own)


async def play_response(case: Case, port: int, origin: Origin, quiet_s: float) -> Played:
    """The origin misbehaves."""
    origin.begin(Script(case["say"].encode("latin-1"), case.get("ends", False)))
    method = case.get("method", "GET")
    client = await Client(quiet_s).connect(port)
    await client.says(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await client.hears([method], 1, end=bool(case.get("cut")))
    heard = Heard(client.heard.data, client.heard.ended)
    if case.get("later"):
        origin.say_later(case["later"].encode("latin-1"))
    own = {"/next": await client.asks("/next")} if answered(heard, method) and not heard.ended else {}
    own["/victim"] = await victim(port, quiet_s)
    await client.leaves()
    return Played(case, await origin.finish(), heard, own)


def answered(heard: Heard, method: str) -> bool:
    """Whether there is a whole final answer."""
    with suppress(Ambiguous):
        return bool(finals(heard.answers([method])))
    return False


async def victim(port: int, quiet_s: float) -> str:
    """What somebody else's request gets, on a connection of its own."""
    client = await Client(quiet_s).connect(port)
    try:
        return await client.asks("/victim")
    except Ambiguous as why:
        return f"unreadable: {why}"
    finally:
        await client.leaves()
