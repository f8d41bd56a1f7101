"""A client that goes away in each phase of its request: 499, charged to nobody, the origin's connection let go (rules 37, 39)."""

from __future__ import annotations

import pytest

from tests.kit.live_plane import OK, LivePlane, WireClient, live_plane
from tests.kit.uv import on_uvloop

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def serves_on(live: LivePlane) -> bytes:
    """What another client gets."""
    live.origin.answer = lambda _side, _request: OK
    live.origin.swallows = False
    client = await live.client()
    await client.says(GET)
    heard = await client.hears_until(b"ok")
    return heard[:12]


@on_uvloop
async def test_before_a_byte_of_a_request() -> None:
    async with live_plane() as live:
        client = await live.client()
        await live.until(lambda: live.plane.downstreams, "it is connected")
        client.vanishes()
        await live.until(lambda: not live.plane.downstreams, "it is forgotten")

        assert ({}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@on_uvloop
async def test_in_the_middle_of_the_head() -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(GET[:20])
        await live.until(lambda: live.plane.downstreams, "it is connected")
        client.vanishes()
        await live.until(lambda: not live.plane.downstreams, "it is forgotten")

        assert [] == live.origin.sides
        assert b"HTTP/1.1 200" == await serves_on(live)


@on_uvloop
async def test_while_it_waits_for_the_answer() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: None
        client = await live.client()
        await client.says(GET)
        await live.until(lambda: live.origin.requests, "the origin has it")
        client.vanishes()
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert ({"499": 1}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@on_uvloop
async def test_in_the_middle_of_its_upload() -> None:
    async with live_plane() as live:
        live.origin.swallows = True
        client = await live.client()
        await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
        await live.until(lambda: live.origin.sides and live.origin.sides[0].received > 100, "the origin has some of it")
        client.vanishes()
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert ({"499": 1}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@on_uvloop
async def test_in_the_middle_of_the_answer() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100
        client = await live.client()
        await client.says(GET)
        await client.hears_until(b"xxx")
        client.vanishes()
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert ({"499": 1}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@on_uvloop
async def test_while_its_answer_waits_for_it_to_read() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 50_000_000
        client = await live.client()
        await client.says(GET)
        await client.hears_until(b"xxx")
        client.vanishes()
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert ({"499": 1}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@on_uvloop
async def test_after_the_answer_the_origin_s_connection_is_kept_for_the_next_client() -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(GET)
        await client.hears_until(b"ok")
        client.vanishes()
        await live.until(lambda: not live.plane.downstreams, "it is forgotten")

        assert (b"HTTP/1.1 200", 1, {"200": 2}) == (await serves_on(live), len(live.origin.sides), live.codes())


@pytest.mark.parametrize("count", [50])
@on_uvloop
async def test_many_at_once_leave_nothing_in_flight(count: int) -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: None
        clients = [await live.client() for _ in range(count)]
        for client in clients:
            await client.says(GET)
        await live.until(lambda: len(live.origin.requests) == count, "the origin has them all")
        for client in clients:
            client.vanishes()
        await live.until(lambda: all(side.ended for side in live.origin.sides), "the origin's connections are closed")

        shot = live.plane.snapshot()
        assert ([0], [count]) == ([cell.in_flight for cell in shot.cells], [cell.requests.get(499) for cell in shot.cells])


def leaves(client: WireClient, how: str) -> None:
    """Reset, or close; the origin hears of neither."""
    if how == "reset":
        client.vanishes()
    else:
        client.sock.close()


@pytest.mark.parametrize("how", ["reset", "close"])
@on_uvloop
async def test_while_it_waits_and_has_sent_its_next_request_already(how: str) -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: None
        client = await live.client()
        await client.says(GET + GET)
        await live.until(lambda: live.origin.requests, "the origin has it")
        leaves(client, how)
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert ({"499": 1}, b"HTTP/1.1 200") == (live.codes(), await serves_on(live))


@pytest.mark.parametrize("how", ["reset", "close"])
@on_uvloop
async def test_while_the_origin_takes_no_more_of_its_upload(how: str) -> None:
    async with live_plane() as live:
        live.origin.swallows = live.origin.deaf = True
        client = await live.client()
        await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        await live.until(lambda: live.plane.downstreams, "it is here")
        (here,) = live.plane.downstreams
        while here.transport.is_reading():
            await client.says(bytes(65536))
            await live.until(lambda: client.delivered, "no byte is left on the client's side: its end is not queued behind it")
        leaves(client, how)
        await live.until(lambda: not live.plane.downstreams, "it is forgotten")

        assert {"499": 1} == live.codes()
