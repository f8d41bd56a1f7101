"""Requests that wait for a switch, on real sockets: over TLS, half closed, uploading, gone; and a tunnel beside them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.dataplane.plane import DataPlane
from proxy.model.intent import ListenerTls
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, Version
from proxy.telemetry.cutover import Cutover
from tests.kit.certificates import Authority
from tests.kit.conversation import plan
from tests.kit.real_plane import origin, serving
from tests.kit.uv import on_uvloop
from tests.kit.waiting import eventually

PATIENCE_S = 10.0
GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
UPLOAD_BYTES = 8 * 1024 * 1024
UPGRADE = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


class Switching:
    """A plane whose ``shop`` is about to switch from v1 to v2, and the port of its listener."""

    def __init__(self, plane: DataPlane, port: int, after: RoutePlan) -> None:
        self.plane = plane
        self.port = port
        plane.prepare(after)
        plane.barrier.watch(["shop"])

    async def client(self, tls: object = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname="shop" if tls else None)  # type: ignore[arg-type]  # a context

    async def held(self, count: int = 1) -> None:
        """So many requests wait."""
        await eventually(lambda: len(self.plane.barrier._kept) == count, PATIENCE_S, f"{count} wait")

    def commit(self) -> Cutover:
        return self.plane.commit(2)[0]


def answering(version: bytes):  # type: ignore[no-untyped-def]  # an origin's handler
    """An origin that says its version and how long the body was; or, asked to, echoes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"upgrade: echo" in head.lower():
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                while data := await reader.read(65536):
                    writer.write(data)
                return
            length = int((head.lower().partition(b"content-length: ")[2] or b"0").partition(b"\r")[0])
            body = await reader.readexactly(length)
            said = b"%b %d" % (version, len(body))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    return handle


@asynccontextmanager
async def switching(tls: ListenerTls | None = None) -> AsyncIterator[Switching]:
    async with origin(answering(b"v1")) as one, origin(answering(b"v2")) as two:
        versions = (Version("v1", (Endpoint("127.0.0.1", one),)), Version("v2", (Endpoint("127.0.0.1", two),)))
        before, after = plan(versions=versions, weights=(1.0, 0.0)), plan(versions=versions, weights=(0.0, 1.0))
        listeners = tuple(replace(listener, tls=tls) for listener in before.listeners)
        async with serving(replace(before, listeners=listeners)) as (plane, port):
            yield Switching(plane, port, replace(after, generation=2, listeners=listeners))
    await eventually(lambda: len(asyncio.all_tasks()) == 1, PATIENCE_S, "origins see that it is over")


async def heard(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer."""
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))


@on_uvloop
async def test_a_request_waits_and_is_answered_by_the_new_version() -> None:
    async with switching() as it:
        reader, writer = await it.client()
        writer.write(GET)
        assert b"v1 0" == await heard(reader)
        it.plane.barrier.hold()
        writer.write(GET)
        await it.held()
        it.commit()

        assert b"v2 0" == await heard(reader)
        writer.close()


@pytest.mark.parametrize("kept", [True, False])
def test_it_is_the_same_over_tls(tmp_path: Path, kept: bool) -> None:
    """``kept``: on a connection that has had a request before, or on a new one."""
    authority = Authority(tmp_path)
    certificate = authority.issue("shop")

    @on_uvloop
    async def story() -> None:
        async with switching(ListenerTls((certificate,))) as it:
            reader, writer = await it.client(authority.client())
            if kept:
                writer.write(GET)
                await heard(reader)
            it.plane.barrier.hold()
            writer.write(GET)
            await it.held()
            it.commit()

            assert b"v2 0" == await heard(reader)
            writer.close()

    story()


@on_uvloop
async def test_an_upload_is_stopped_and_then_arrives_whole() -> None:
    async with switching() as it:
        reader, writer = await it.client()
        it.plane.barrier.hold()
        writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % UPLOAD_BYTES)
        writer.write(b"x" * UPLOAD_BYTES)
        await it.held()
        stopped = writer.transport.get_write_buffer_size()
        it.commit()

        assert (True, b"v2 %d" % UPLOAD_BYTES) == (stopped > 0, await heard(reader))
        writer.close()


@on_uvloop
async def test_a_client_that_has_sent_all_it_will_gets_its_answer() -> None:
    async with switching() as it:
        reader, writer = await it.client()
        it.plane.barrier.hold()
        writer.write(GET)
        writer.write_eof()
        await it.held()
        it.commit()

        assert b"v2 0" == await heard(reader)
        writer.close()


@on_uvloop
async def test_a_client_that_reset_its_connection_meanwhile_asks_nobody() -> None:
    async with switching() as it:
        _, writer = await it.client()
        it.plane.barrier.hold()
        writer.write(GET)
        await it.held()
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()
        await eventually(lambda: not it.plane.downstreams, PATIENCE_S, "it is seen to be gone")
        seen = it.commit()

        assert (0, 1) == (seen.held, seen.left)


@on_uvloop
async def test_a_tunnel_goes_on_while_requests_wait() -> None:
    async with switching() as it:
        tunnel, through = await it.client()
        through.write(UPGRADE)
        await tunnel.readuntil(b"\r\n\r\n")
        it.plane.barrier.hold()
        _, writer = await it.client()
        writer.write(GET)
        await it.held()
        through.write(b"still here")

        assert b"still here" == await asyncio.wait_for(tunnel.readexactly(10), PATIENCE_S)
        it.plane.barrier.let_go()
        through.close()
        writer.close()


@on_uvloop
async def test_clients_that_come_when_too_many_wait_are_not_read_and_not_lost() -> None:
    held_max, limits.CUTOVER_HELD_MAX = limits.CUTOVER_HELD_MAX, 3  # type: ignore[misc]  # as small as a test can reach
    try:
        async with switching() as it:
            clients = [await it.client() for _ in range(10)]
            await eventually(lambda: len(it.plane.downstreams) == 10, PATIENCE_S, "all are connected")
            it.plane.barrier.hold()
            for _, writer in clients:
                writer.write(GET)
            await eventually(lambda: len(it.plane.barrier._kept) >= 3, PATIENCE_S, "as many wait as may")
            it.commit()

            assert [b"v2 0"] * 10 == [await heard(reader) for reader, _ in clients]
            for _, writer in clients:
                writer.close()
    finally:
        limits.CUTOVER_HELD_MAX = held_max  # type: ignore[misc]  # as it was
