"""A conversation driven by a list of steps, whatever they are, and what must hold of it at its end. Knows no source of chance."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.kit.conversation import Conversation, settle
from tests.kit.strict_reader import Ambiguous, Incomplete, Message, next_request, read_responses

Step = tuple[int, bytes]
STEPS = 8
SAYS, ANSWERS, ENDS, LEAVES, WAITS, CLOGS, FLOWS, DEPARTS = range(STEPS)
TIMEOUTS_MAX = 64  # one after another, of a connection and its origins


def strictly(data: bytes) -> tuple[list[Message], bool, bool]:
    """The requests before the first doubt or the end, whether there was a doubt, and whether part of one follows them: so far well
    formed, or, with a doubt, one whose head is."""
    found: list[Message] = []
    while data := data.removeprefix(b"\r\n"):
        try:
            message, data = next_request(data)
        except Incomplete:
            return found, False, True
        except Ambiguous:
            return found, True, _wants_a_body(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        found.append(message)
    return found, False, False


def _wants_a_body(head: bytes) -> bool:
    try:
        next_request(head)
    except (Incomplete, Ambiguous) as error:
        return isinstance(error, Incomplete)
    return False


def essence(message: Message) -> tuple[str, bytes]:
    """What is the same on both sides of a proxy: method and body."""
    return message.first.split(" ")[0], message.body


class Storm:
    """One client, its origins, and all that either said or heard."""

    def __init__(self) -> None:
        self.faults: list[dict[str, Any]] = []
        self.said = b""
        self.left = False
        self.departed = False

    async def play(self, steps: list[Step]) -> None:
        """Take the steps, then let the client leave, and check. Raises AssertionError where a promise is broken."""
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: self.faults.append(context))
        self.talk = Conversation()
        for kind, data in steps:
            await self._take(kind, data)
            if self.departed and not self.left and self.talk.client.transport.reading:
                self.left = True  # what was not read before the end has been
                await self.talk.client.leaves()
            assert not self.faults, self.faults
        client = self.talk.client.transport
        heard, ended, whole = bytes(client.written), self.talk.client.closed and not self.left and not self.departed, not client.aborted
        cells = list(self.talk.plane._cells)
        self._check_origins()
        self._check_client(heard, ended=ended, whole=ended and whole)
        for _ in range(TIMEOUTS_MAX):
            await self.talk.pass_to_next_timeout()
        assert client.closing, "a client that does nothing is kept for ever"
        for origin in range(len(self.talk.loop.origins)):
            await self.talk.origin_ends(origin, ConnectionResetError())
        assert [0] * len(cells) == [cell.in_flight for cell in cells], "a request is in flight for ever"
        await self.talk.end()
        assert not self.faults, self.faults

    async def _take(self, kind: int, data: bytes) -> None:
        talk, client = self.talk, self.talk.client.transport
        open_origins = [place for place, origin in enumerate(talk.loop.origins) if not origin.closing and origin.reading]
        if kind == SAYS and data and client.reading and not client.closing and not self.left and not self.departed:
            self.said += data
            await talk.client.says(data)
        elif kind == ANSWERS and data and open_origins:
            await talk.origin_says(data, open_origins[-1])
        elif kind == ENDS and open_origins:
            await talk.origin_ends(open_origins[-1], ConnectionResetError() if data[:1] == b"r" else None)
        elif kind == LEAVES and not client.closing:
            self.left = True
            await talk.client.leaves(ConnectionResetError())
        elif kind == WAITS:
            await talk.pass_time(float(len(data)))
        elif kind in (CLOGS, FLOWS):
            await self._press(data[:1] == b"o", kind == CLOGS)
        elif kind == DEPARTS and not (client.closing or client.reading or self.left):
            self.left = data[:1] == b"r"
            self.departed = True
            await talk.client.departs(gone=self.left)

    async def _press(self, origin: bool, clogs: bool) -> None:
        """The client, or the newest origin, takes no more of what was written to it, or all."""
        side = self.talk.client.transport
        if origin:
            if not self.talk.loop.origins:
                return
            side = self.talk.origin()
        if side.closing or bool(side.unsent) == clogs:
            return
        if clogs:
            side.unsent = 1
            side.protocol.pause_writing()
            await settle()
        else:
            await side.flush()

    def _check_origins(self) -> None:
        """What origins read is among what a strict reader sees in the client's bytes, in order; tunnels and chunk extensions apart."""
        if b"upgrade" in self.said.lower():
            return
        asked = [essence(message) for message in strictly(self.said)[0]]
        for origin in self.talk.loop.origins:
            got, doubt, _ = strictly(bytes(origin.written))
            assert not doubt, f"an origin cannot read {bytes(origin.written)!r}"
            rest = iter(asked)
            assert b";" in self.said or all(essence(message) in rest for message in got), f"{got} of {asked}"

    def _check_client(self, heard: bytes, *, ended: bool, whole: bool) -> None:
        """No more answers than requests (and a refusal of what is none, or an early answer), each readable; a cut body never ends as a
        whole one."""
        if b"upgrade" in self.said.lower() or b";" in self.said:
            return
        requests, doubt, part = strictly(self.said)
        asked = [essence(message)[0] for message in requests]
        if self.said.count(b"HEAD") > asked.count("HEAD"):
            return  # the answer to one of them has no body, and the oracle did not see that it was asked for
        try:
            answers = read_responses(heard, asked, ended=ended)
        except Incomplete:
            assert not whole, f"a cut answer ended cleanly: {heard!r}"
            return
        final = [status for status in (answer.first.split(" ")[1] for answer in answers) if status[0] != "1"]
        assert len(final) <= len(asked) + (doubt or part), f"{final} for {len(asked)} requests"
        early = part  # an origin may answer before the body is whole, and so before it proves to be malformed
        assert not doubt or early or len(final) <= len(asked) or final[-1][0] in "45", f"{final}: what cannot be read was answered"
