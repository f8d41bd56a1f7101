"""WebSocket, raw upgrades and event streams through a real plane, on the loop that workers use."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import websockets

from proxy.dataplane.plane import DataPlane
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n\r\n"


def to(port: int, **changes: Any) -> RoutePlan:
    return plan(versions=(Version("v1", (Endpoint("127.0.0.1", port),)),), **changes)


async def agreeing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the upgrade, answer every byte with itself, and after the client's end say so and end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(AGREED)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")
    writer.write_eof()
    await reader.read()


async def upgraded(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


def cell(plane: DataPlane) -> Any:
    return next(iter(plane.snapshot().cells))


def test_websocket_messages_pass_both_ways_and_its_close_is_clean() -> None:
    async def run() -> None:
        async def echo(connection: Any) -> None:
            async for message in connection:
                await connection.send(message)

        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with serving(to(port)) as (plane, ours):
                async with websockets.connect(f"ws://127.0.0.1:{ours}/chat", compression=None, max_size=None) as client:
                    for message in ("hello", b"\0" * 300_000, "x" * 70_000):
                        await client.send(message)
                        assert message == await client.recv()
                assert (1000, {101: 1}) == (client.close_code, cell(plane).requests)

    on_uvloop(run)


def test_an_origin_that_knows_no_websocket_answers_as_http() -> None:
    async def run() -> None:
        async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
            await reader.read()

        async with origin(refusing) as port, serving(to(port)) as (_, ours):
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(f"ws://127.0.0.1:{ours}/")
            assert (426, b"no") == (caught.value.response.status_code, caught.value.response.body)

    on_uvloop(run)


def test_the_end_of_one_side_leaves_the_other_side_open() -> None:
    """Rule 29."""

    async def run() -> None:
        async with origin(agreeing) as port, serving(to(port)) as (plane, ours):
            reader, writer = await upgraded(ours)
            writer.write(b"one")
            assert b"one" == await reader.readexactly(3)
            writer.write_eof()
            assert b"bye" == await reader.read()
            writer.close()
            await eventually(lambda: not plane.long_lived.tunnels, 5, "the tunnel is left")
            counted = cell(plane)
            assert ((3, 6), 0) == (counted.tunnel_bytes, counted.in_flight)

    on_uvloop(run)


def test_a_side_that_reads_nothing_stops_the_other_and_gets_all_of_it_later() -> None:
    """Rule 41: 32 MiB for a client that does not read stay with the origin."""

    async def run() -> None:
        sent = 0
        size = 32 * 1024 * 1024

        async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(AGREED)
            while sent < size:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
            writer.write_eof()
            await reader.read()

        async with origin(flooding) as port, serving(to(port)) as (plane, ours):
            reader, writer = await upgraded(ours)
            end = next(iter(plane.long_lived.tunnels))._origin
            await eventually(lambda: not end._reading, 5, "the origin is still being read")
            paused_at = cell(plane).tunnel_bytes[1]
            assert 0 < paused_at < size // 4
            got = 0
            while data := await reader.read(1 << 20):
                got += len(data)
            assert size == got
            writer.close()
            await eventually(lambda: not plane.long_lived.tunnels, 5, "the tunnel is left")

    on_uvloop(run)


def test_each_event_reaches_the_client_before_the_next_is_sent() -> None:
    """Flushed at once, for an answer without a length and re-framed from chunks alike."""

    async def run() -> None:
        go_on = asyncio.Event()

        async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            chunked = b"/chunked" in await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
            )
            for number in range(5):
                event = b"data: %d\n\n" % number
                writer.write(b"%x\r\n%b\r\n" % (len(event), event) if chunked else event)
                await go_on.wait()
                go_on.clear()
            if chunked:
                writer.write(b"0\r\n\r\n")

        async with origin(events) as port, serving(to(port)) as (_, ours):
            for path in (b"/chunked", b"/until-close"):
                reader, writer = await asyncio.open_connection("127.0.0.1", ours)
                writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
                await reader.readuntil(b"\r\n\r\n")
                for number in range(5):
                    assert b"9\r\ndata: %d\n\n\r\n" % number == await asyncio.wait_for(reader.readexactly(14), 5)
                    go_on.set()
                assert b"0\r\n\r\n" == await reader.readexactly(5)
                writer.close()

    on_uvloop(run)


def test_a_long_poll_is_answered_the_moment_the_origin_answers() -> None:
    async def run() -> None:
        news = asyncio.Event()

        async def polled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await news.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews")

        async with origin(polled) as port, serving(to(port)) as (plane, ours):
            reader, writer = await asyncio.open_connection("127.0.0.1", ours)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await eventually(lambda: plane.snapshot().endpoints[0].active, 5, "the request is not under way")
            news.set()
            assert (await asyncio.wait_for(reader.readuntil(b"news"), 5)).startswith(b"HTTP/1.1 200 OK")
            writer.close()

    on_uvloop(run)
