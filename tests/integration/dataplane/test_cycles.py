"""A connection that is over is let go at once, however it ended: nothing of it waits in a cycle for the collector."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from tests.kit.live_plane import OK, LivePlane, OriginSide, WireClient, live_plane
from tests.kit.real_plane import on_uvloop
from tests.kit.strict_reader import Message

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"
TIMES = 5


def resets(side: OriginSide, _request: Message) -> None:
    side.transport.abort()


def closes(side: OriginSide, _request: Message) -> None:
    side.transport.write(b"HTTP/1.1 200 OK\r\n\r\nok")
    side.transport.close()


def says_nothing(_side: OriginSide, _request: Message) -> None:
    """A hang."""


async def is_answered(_live: LivePlane, client: WireClient) -> None:
    await client.says(GET)
    await client.hears()


async def leaves(live: LivePlane, client: WireClient) -> None:
    asked = len(live.origin.requests)
    await client.says(GET)
    await live.until(lambda: len(live.origin.requests) > asked, "the origin has it")
    client.vanishes()


async def leaves_behind_another(live: LivePlane, client: WireClient) -> None:
    asked = len(live.origin.requests)
    await client.says(GET.replace(b"close", b"keep-alive") + GET)
    await live.until(lambda: len(live.origin.requests) > asked, "the origin has it")
    client.vanishes()


async def tunnels(live: LivePlane, client: WireClient) -> None:
    await client.says(UPGRADE)
    await client.hears_until(b"hello")
    client.vanishes()
    await live.until(lambda: not live.plane.long_lived.tunnels, "the tunnel is over")


Act = Callable[[LivePlane, WireClient], Awaitable[None]]
WAYS: dict[str, tuple[Callable[[OriginSide, Message], bytes | None], Act]] = {
    "answered": (lambda _side, _request: OK, is_answered),
    "origin resets": (resets, is_answered),
    "origin closes": (closes, is_answered),
    "origin speaks no HTTP": (lambda _side, _request: b"this is not HTTP at all\r\n\r\n", is_answered),
    "client resets": (says_nothing, leaves),
    "client resets unread": (says_nothing, leaves_behind_another),
    "tunnel": (lambda _side, _request: SWITCH, tunnels),
}


async def left_behind(answer: Callable[[OriginSide, Message], bytes | None], act: Act) -> Counter[str]:
    """What the collector finds of the proxy's own after some connections that went that way, by type."""
    async with live_plane() as live:
        live.origin.answer = answer

        async def some() -> None:
            for _ in range(TIMES):
                client = await live.client()
                await act(live, client)
                client.sock.close()
                await live.until(lambda: not live.plane.downstreams, "it is over")

        await some()
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await some()
            gc.collect()
            return Counter(kind.__qualname__ for kind in map(type, gc.garbage) if kind.__module__.startswith(("proxy.", "uvloop")))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_is_over_is_let_go_at_once(way: str) -> None:
    async def run() -> None:
        assert Counter() == await left_behind(*WAYS[way])

    on_uvloop(run)
