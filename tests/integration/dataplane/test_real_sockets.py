"""Requests over real sockets: pipelined, half-closed, slow on either side, and held back by a peer that does not read."""

from __future__ import annotations

import asyncio

from proxy.model.service import Timeouts
from tests.kit.live_plane import OK, OriginSide, live_plane
from tests.kit.strict_reader import Message, read_responses
from tests.kit.uv import on_uvloop

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PIPELINED = 500
KERNEL_BYTES = 32 * 1024 * 1024  # what the sockets between two processes of one machine may hold, generously


def echo(_side: OriginSide, request: Message) -> bytes:
    """The request's path as the body."""
    path = request.first.split(" ")[1].encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path)


@on_uvloop
async def test_pipelined_requests_are_answered_in_order() -> None:
    async with live_plane() as live:
        live.origin.answer = echo
        client = await live.client()
        await client.says(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(PIPELINED)))
        heard = await client.hears_until(b"/%d" % (PIPELINED - 1))

    bodies = [message.body.decode() for message in read_responses(heard, ["GET"] * PIPELINED, ended=False)]
    assert [f"/{n}" for n in range(PIPELINED)] == bodies


@on_uvloop
async def test_a_client_that_only_stops_sending_still_gets_its_answer_and_then_the_end() -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(GET)
        client.stops_sending()
        heard = await client.hears()

    assert heard.endswith(b"\r\n\r\nok"), heard


@on_uvloop
async def test_a_client_that_stops_sending_gets_all_answers_it_pipelined_for() -> None:
    async with live_plane() as live:
        live.origin.answer = echo
        client = await live.client()
        await client.says(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(20)))
        client.stops_sending()
        heard = await client.hears()

    assert [f"/{n}" for n in range(20)] == [m.body.decode() for m in read_responses(heard, ["GET"] * 20, ended=True)]


@on_uvloop
async def test_a_client_that_stops_sending_gets_the_whole_of_a_long_answer() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000
        client = await live.client()
        await client.says(GET)
        client.stops_sending()
        heard = await client.hears()

    assert 5_000_000 == len(heard.partition(b"\r\n\r\n")[2])


@on_uvloop
async def test_half_a_request_and_the_end_reach_no_origin() -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(GET[:-4])
        client.stops_sending()
        await client.hears()

        assert [] == live.origin.sides


@on_uvloop
async def test_an_answer_in_small_pieces_arrives_whole() -> None:
    async with live_plane() as live:
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n"

        def say(side: OriginSide, at: int) -> None:
            side.transport.write(answer[at : at + 1])
            if at + 1 < len(answer):
                asyncio.get_running_loop().call_later(0.002, say, side, at + 1)

        live.origin.answer = lambda side, _request: say(side, 0)
        client = await live.client()
        await client.says(GET)
        heard = await client.hears_until(b"\r\n0\r\n\r\n")

    assert [b"hello there"] == [message.body for message in read_responses(heard, ["GET"], ended=False)]


@on_uvloop
async def test_an_origin_that_does_not_answer_in_time_is_504_and_a_timeout() -> None:
    async with live_plane(timeouts=Timeouts(response_s=0.2)) as live:
        live.origin.answer = lambda _side, _request: None
        client = await live.client()
        await client.says(GET)
        heard = await client.hears_until(b"\r\n\r\n")

        assert (b"HTTP/1.1 504", {"504": 1, "timeout": 1}) == (heard[:12], live.codes())


@on_uvloop
async def test_an_answer_that_stalls_is_broken_off_and_does_not_look_whole() -> None:
    async with live_plane(timeouts=Timeouts(idle_s=0.2)) as live:
        live.origin.answer = lambda _side, _request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
        client = await live.client()
        await client.says(GET)
        heard = b""
        try:
            heard = await client.hears()
        except ConnectionResetError:
            heard += b"(reset)"

        assert (False, {"200": 1, "timeout": 1}) == (heard.endswith(b"0\r\n\r\n"), live.codes()), heard


@on_uvloop
async def test_an_origin_is_not_read_while_the_client_does_not_read() -> None:
    async with live_plane() as live:
        whole = 64 * 1024 * 1024
        live.origin.answer = lambda _side, _request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % whole + b"x" * whole
        client = await live.client()
        await client.says(GET)
        await live.until(
            lambda: live.origin.sides and live.origin.sides[0].transport.get_write_buffer_size(), "the origin is held back"
        )
        left = [0, 1]

        def still() -> bool:
            left[:] = [left[1], live.origin.sides[0].transport.get_write_buffer_size()]
            return left[0] == left[1]

        await live.until(still, "nothing moves any more")
        held = whole - left[1]
        body = len((await client.hears(whole + 40)).partition(b"\r\n\r\n")[2])

    assert (True, whole) == (held < KERNEL_BYTES, body), held


@on_uvloop
async def test_a_client_is_not_read_while_the_origin_does_not_read() -> None:
    async with live_plane() as live:
        live.origin.deaf = live.origin.swallows = True
        client = await live.client()
        await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        sent, blocked = 0, 0
        while blocked < 20:  # turns of the loop in a row in which not a byte could be sent
            try:
                sent += client.sock.send(b"x" * 65536)
                blocked = 0
            except BlockingIOError:
                blocked += 1
            await asyncio.sleep(0)
            assert sent < KERNEL_BYTES, "nobody held the client back"
        client.vanishes()
        live.origin.deaf = False
        live.origin.sides[0].transport.resume_reading()
        await live.until(lambda: live.origin.sides[0].ended, "the origin's connection is closed")

        assert {"499": 1} == live.codes()


@on_uvloop
async def test_an_idle_connection_the_origin_has_closed_is_not_used_again() -> None:
    async with live_plane() as live:
        client = await live.client()
        for _ in range(20):
            await client.says(GET)
            await client.hears_until(b"ok")
            live.origin.sides[-1].transport.abort()

        assert {"200": 20} == live.codes()


@on_uvloop
async def test_a_post_whose_idle_connection_the_origin_has_closed_gets_a_fresh_one() -> None:
    async with live_plane() as live:
        client = await live.client()
        for _ in range(20):
            await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
            await client.hears_until(b"ok")
            live.origin.sides[-1].transport.abort()
            await live.until(lambda: live.origin.sides[-1].ended, "it is closed")

        assert ({"200": 20}, 20) == (live.codes(), len(live.origin.requests))


@on_uvloop
async def test_an_early_answer_reaches_a_client_that_is_still_uploading() -> None:
    async with live_plane() as live:
        live.origin.swallows = True
        client = await live.client()
        await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        await live.until(lambda: live.origin.sides and live.origin.sides[0].received > 1000, "the origin has some of it")
        live.origin.sides[0].transport.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await client.says(b"x" * 100_000)
        heard = await client.hears()

    assert (b"HTTP/1.1 413", True) == (heard[:12], heard.endswith(b"big")), heard


@on_uvloop
async def test_draining_answers_what_is_in_flight_and_cuts_what_takes_too_long() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, request: OK if "/soon" in request.first else None
        quick, never = await live.client(), await live.client()
        await never.says(GET)
        await live.until(lambda: live.origin.requests, "the origin has it")
        await quick.says(GET.replace(b"/ ", b"/soon "))
        await quick.hears_until(b"ok")
        cut = await live.plane.drain(0.3)

    assert 1 == cut
