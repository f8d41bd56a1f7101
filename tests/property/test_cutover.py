"""Switches at any moment of any conversation: each request reaches one version, once, whole and in order, and is answered."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Conversation, plan
from tests.kit.strict_reader import Incomplete, read_requests

VERSIONS = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))
OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nok"

REQUESTS = {
    "get": b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n",
    "post": b"POST /%d HTTP/1.1\r\nHost: shop\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked": b"POST /%d HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
}
SAY, ANSWER, HOLD, LET_GO, COMMIT = "say", "answer", "hold", "let go", "commit"


def two(live: str, generation: int) -> RoutePlan:
    weights = tuple(float(version.name == live) for version in VERSIONS)
    return replace(plan(versions=VERSIONS, weights=weights), generation=generation)


class Play:
    """A conversation in which versions switch whenever the script says so."""

    def __init__(self, stream: bytes) -> None:
        self.talk = Conversation(two("v1", 1))
        self.stream = stream
        self.generation = 1
        self.holding = False
        self.got: list[str] = []

    async def take(self, step: tuple[str, int]) -> None:
        kind, size = step
        barrier = self.talk.plane.barrier
        if kind == SAY and self.talk.client.transport.reading:
            said, self.stream = self.stream[:size], self.stream[size:]
            if said:
                await self.talk.client.says(said)
        elif kind == ANSWER:
            await self.answer()
        elif kind == HOLD and not self.holding:
            self.talk.plane.prepare(two("v2" if self.generation % 2 else "v1", self.generation + 1))
            barrier.watch(["shop"])
            barrier.hold()
            self.holding = True
        elif kind == LET_GO and self.holding:
            self.talk.plane.abandon(self.generation + 1)
            self.holding = False
        elif kind == COMMIT and self.holding:
            self.generation += 1
            self.talk.plane.commit(self.generation)
            self.holding = False
        await asyncio.sleep(0)

    async def answer(self) -> None:
        """Answer the one request that is whole at an origin, if there is one."""
        for place, origin in enumerate(self.talk.loop.origins):
            try:
                (request,) = read_requests(bytes(origin.written))
            except (Incomplete, ValueError):  # not whole yet, or nothing
                continue
            origin.written.clear()
            assert request.body in (b"", b"hello world")
            self.got.append(request.first.split(" ")[1])
            await self.talk.origin_says(OK, place)
            return

    async def end(self, count: int) -> None:
        """No more switches: all there is to say is said, and all is answered."""
        await self.take((LET_GO, 0))
        for _ in range(40 * count):
            await self.take((SAY, 100))
            await self.take((ANSWER, 0))
            await asyncio.sleep(0)
        heard = self.talk.client.heard()
        assert [f"/{number}" for number in range(count)] == self.got
        assert count == heard.count(b"HTTP/1.1 200 OK")
        assert sum(cell.in_flight for cell in self.talk.plane._cells) == 0
        await self.talk.client.leaves()
        for place in range(len(self.talk.loop.origins)):
            await self.talk.origin_ends(place)
        await self.talk.end()


@settings(max_examples=150, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=6),
    steps=st.lists(
        st.tuples(st.sampled_from([SAY, SAY, SAY, ANSWER, ANSWER, HOLD, HOLD, LET_GO, COMMIT, COMMIT]), st.integers(1, 120)),
        max_size=40,
    ),
)
def test_every_request_is_answered_once_and_in_order_wherever_switches_fall(kinds: list[str], steps: list[tuple[str, int]]) -> None:
    async def story() -> None:
        play = Play(b"".join(REQUESTS[kind] % number for number, kind in enumerate(kinds)))
        for step in steps:
            await play.take(step)
        await play.end(len(kinds))

    asyncio.run(story())
