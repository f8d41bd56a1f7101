"""Listeners over real sockets: unix, IPv6, PROXY protocol, limits, the redirect to https."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, Version
from proxy.wire.proxy_protocol import SIGNATURE
from tests.integration.dataplane.test_tls import repeating
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually

GET = b"GET /a?b HTTP/1.1\r\nHost: shop.test\r\n\r\n"
V2 = SIGNATURE + b"\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 127, 0, 0, 1]) + b"\x10\0\x01\xbb"


def listening(endpoint: Endpoint, **listener: Any) -> RoutePlan:
    made = plan(versions=(Version("v1", (endpoint,)),))
    return msgspec.structs.replace(made, listeners=(Listener(name="web", **listener),))


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return head + await reader.readexactly(length)


async def told(port: int, data: bytes) -> bytes:
    """What the origin heard, as it answers, after a client has sent ``data``; empty when the connection was refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await answer(reader)
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


def test_a_unix_listener_and_a_unix_endpoint_serve(tmp_path: Path) -> None:
    async def run() -> None:
        server = await asyncio.start_unix_server(repeating, str(tmp_path / "origin.sock"))
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "web.sock"))
        async with serving(listening(Endpoint(unix=str(tmp_path / "origin.sock"))), sock):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "web.sock"))
            writer.write(GET[:-2] + b"X-Forwarded-For: 203.0.113.9\r\n\r\n")
            assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in await answer(reader)
            writer.close()
        server.close()

    on_uvloop(run)


def test_an_ipv6_listener_and_an_ipv6_endpoint_serve() -> None:
    async def run() -> None:
        server = await asyncio.start_server(repeating, "::1", 0)
        sock = socket.socket(socket.AF_INET6)
        sock.bind(("::1", 0))
        async with serving(listening(Endpoint("::1", server.sockets[0].getsockname()[1])), sock):
            reader, writer = await asyncio.open_connection("::1", sock.getsockname()[1])
            writer.write(GET)
            assert b"\r\nX-Forwarded-For: ::1\r\n" in await answer(reader)
            writer.close()
        server.close()

    on_uvloop(run)


@pytest.mark.parametrize("header", [b"PROXY TCP4 203.0.113.9 127.0.0.1 4096 443\r\n", V2])
def test_a_proxy_header_names_the_client(header: bytes) -> None:
    async def run() -> None:
        async with origin(repeating) as port:
            settings = {"proxy_protocol": True, "trusted_proxies": ("127.0.0.0/8",)}
            async with serving(listening(Endpoint("127.0.0.1", port), **settings)) as (plane, ours):
                heard = await told(ours, header + GET[:-2] + b"X-Forwarded-For: 10.0.0.1\r\n\r\n")
                assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in heard
                reader, writer = await asyncio.open_connection("127.0.0.1", ours)
                for byte in header + GET:  # and byte by byte
                    writer.write(bytes([byte]))
                    await writer.drain()
                assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in await answer(reader)
                writer.close()
                await eventually(lambda: plane.doors["web"].connections == 0, 5, "one is counted for ever")

    on_uvloop(run)


@pytest.mark.parametrize(
    "data", [GET, b"PROXY TCP4 203.0.113.9\r\n" + GET, b"PROXY UNKNOWN" + b"x" * 200, V2.replace(b"\x21\x11", b"\x21\x31")]
)
def test_a_connection_without_a_good_proxy_header_is_refused_and_counted(data: bytes) -> None:
    async def run() -> None:
        async with origin(repeating) as port:
            settings = {"proxy_protocol": True, "trusted_proxies": ("127.0.0.0/8",)}
            async with serving(listening(Endpoint("127.0.0.1", port), **settings)) as (plane, ours):
                assert b"" == await told(ours, data)
                await eventually(lambda: plane.doors["web"].unproven == 1, 5, "it was not counted")

    on_uvloop(run)


def test_a_proxy_header_of_a_stranger_is_refused() -> None:
    async def run() -> None:
        async with origin(repeating) as port:
            settings = {"proxy_protocol": True, "trusted_proxies": ("10.0.0.0/8",)}
            async with serving(listening(Endpoint("127.0.0.1", port), **settings)) as (plane, ours):
                assert b"" == await told(ours, V2 + GET)
                assert 1 == plane.snapshot().listeners[0].unproven

    on_uvloop(run)


def test_connections_over_the_limit_are_refused_and_counted() -> None:
    async def run() -> None:
        async with (
            origin(repeating) as port,
            serving(listening(Endpoint("127.0.0.1", port), max_connections=2)) as (plane, ours),
        ):
            held = [await asyncio.open_connection("127.0.0.1", ours) for _ in range(2)]
            await eventually(lambda: plane.doors["web"].connections == 2, 5, "two are not held")
            assert b"" == await told(ours, GET)
            state = plane.snapshot().listeners[0]
            assert (1, 2) == (state.refused, state.connections)
            held[0][1].close()
            await eventually(lambda: plane.doors["web"].connections == 1, 5, "none has left")
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
            held[1][1].close()

    on_uvloop(run)
