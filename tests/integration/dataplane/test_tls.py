"""TLS of listeners over real sockets: names, files that change, versions, client certificates, and what goes on to origins."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.plane import DataPlane
from proxy.errors import PlanRefused
from proxy.model.intent import Listener, ListenerTls
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, Version
from tests.kit.certificates import Authority
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually

GET = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"


async def repeating(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request with its own head."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


def listening(port: int, tls: ListenerTls, **more: Any) -> RoutePlan:
    made = plan(versions=(Version("v1", (Endpoint("127.0.0.1", port),)),))
    return msgspec.structs.replace(made, listeners=(Listener(name="web", tls=tls, **more),))


@asynccontextmanager
async def tls_plane(tls: ListenerTls, **more: Any) -> AsyncIterator[tuple[DataPlane, int]]:
    async with origin(repeating) as port, serving(listening(port, tls, **more)) as served:
        yield served


class Secure:
    """One client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, host: bytes, *lines: bytes) -> bytes:
        """The answer: its status line, and the head that the origin saw."""
        head = GET % host
        self.writer.write(head[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return answer.partition(b"\r")[0] + b"\n" + await self.reader.readexactly(length)

    @property
    def name(self) -> str:
        """The first name in the server's certificate."""
        return str(self.writer.get_extra_info("peercert")["subjectAltName"][0][1])


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext, name: str | None) -> AsyncIterator[Secure]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "127.0.0.1")
    try:
        yield Secure(reader, writer)
    finally:
        writer.close()


def test_the_name_a_client_asks_for_chooses_the_certificate(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        pairs = (
            authority.issue("127.0.0.1", "default.test", file="default"),
            authority.issue("shop.test", file="exact"),
            authority.issue("*.shop.test", file="wildcard"),
        )
        async with tls_plane(ListenerTls(pairs)) as (_, port):
            seen = []
            for name in ("SHOP.test", "a.shop.test", "default.test", None):
                async with connected(port, authority.client(), name) as client:
                    seen.append(client.name)
            assert ["shop.test", "*.shop.test", "default.test", "default.test"] == [
                n.replace("127.0.0.1", "default.test") for n in seen
            ]

    on_uvloop(run)


def test_the_origin_hears_https_and_http_1_1_is_agreed_on(tmp_path: Path) -> None:
    """Rule 40: HTTP/2 is not agreed to."""

    async def run() -> None:
        authority = Authority(tmp_path)
        context = authority.client()
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with tls_plane(ListenerTls((authority.issue("shop.test"),))) as (plane, port):
            async with connected(port, context, "shop.test") as client:
                for _ in range(2):
                    answer = await client.ask(b"shop.test")
                assert b"\r\nX-Forwarded-Proto: https\r\n" in answer
                assert "http/1.1" == client.writer.get_extra_info("ssl_object").selected_alpn_protocol()
                state = plane.snapshot().listeners[0]
                assert (1, "", True) == (state.connections, state.tls_error, state.tls_expires_s > 1_800_000_000)
            await eventually(lambda: plane.doors["web"].connections == 0, 5, "it is counted for ever")

    on_uvloop(run)


def test_a_host_that_no_certificate_names_is_421_and_one_that_is_named_is_served(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        tls = ListenerTls((authority.issue("shop.test", "blog.test"),))
        async with tls_plane(tls) as (plane, port):
            async with connected(port, authority.client(), "shop.test") as client:
                assert (await client.ask(b"blog.test:8443")).startswith(b"HTTP/1.1 200")
                assert (await client.ask(b"Shop.Test")).startswith(b"HTTP/1.1 200")
                assert (await client.ask(b"other.test")).startswith(b"HTTP/1.1 421")
                assert (await client.ask(b"shop.test")).startswith(b"HTTP/1.1 200")
            assert {421: 1} == plane.snapshot().unmatched

    on_uvloop(run)


def test_changed_files_serve_new_handshakes_and_cut_no_connection(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        tls = ListenerTls((authority.issue("old.test", "shop.test"),))
        async with tls_plane(tls) as (plane, port), connected(port, authority.client(), "shop.test") as first:
            assert "old.test" == first.name
            authority.issue("new.test", "shop.test")
            plane.doors.refresh()
            async with connected(port, authority.client(), "shop.test") as second:
                assert "new.test" == second.name
                assert (await first.ask(b"shop.test")).startswith(b"HTTP/1.1 200")

    on_uvloop(run)


def test_files_that_cannot_be_used_leave_the_old_ones_and_are_told(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        pair = authority.issue("shop.test")
        async with tls_plane(ListenerTls((pair,))) as (plane, port):
            os.truncate(pair.cert, 100)
            plane.doors.refresh()
            assert f"{pair.cert} and {pair.key} cannot be used together" in plane.snapshot().listeners[0].tls_error
            async with connected(port, authority.client(), "shop.test") as client:
                assert (await client.ask(b"shop.test")).startswith(b"HTTP/1.1 200")
            os.unlink(pair.key)
            plane.doors.refresh()
            assert "site.key cannot be read: No such file or directory" in plane.snapshot().listeners[0].tls_error
            authority.issue("shop.test")
            plane.doors.refresh()
            assert "" == plane.snapshot().listeners[0].tls_error

    on_uvloop(run)


def test_files_are_looked_at_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CERTIFICATE_POLL_S", 0.05)

    async def run() -> None:
        authority = Authority(tmp_path)
        pair = authority.issue("shop.test")
        async with tls_plane(ListenerTls((pair,))) as (plane, _):
            os.unlink(pair.key)
            await eventually(lambda: plane.snapshot().listeners[0].tls_error, 5, "nobody looked")

    on_uvloop(run)


def test_a_plan_whose_files_cannot_be_used_is_refused_whole(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        pair = authority.issue("shop.test")
        async with tls_plane(ListenerTls((pair,))) as (plane, port):
            broken = msgspec.structs.replace(pair, key=str(tmp_path / "none.key"))
            with pytest.raises(PlanRefused, match=r"listener web: .*none.key cannot be read"):
                plane.prepare(msgspec.structs.replace(listening(1, ListenerTls((broken,))), generation=2))
            async with connected(port, authority.client(), "shop.test") as client:
                assert (await client.ask(b"shop.test")).startswith(b"HTTP/1.1 200")

    on_uvloop(run)


def test_a_version_below_the_minimum_is_refused_and_counted(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        context = authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with tls_plane(ListenerTls((authority.issue("shop.test"),), minimum="TLSv1.3")) as (plane, port):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with connected(port, context, "shop.test"):
                    pass
            await eventually(lambda: plane.doors["web"].unproven == 1, 5, "it was not counted")
            assert 0 == plane.doors["web"].connections

    on_uvloop(run)


def test_a_client_without_the_required_certificate_is_turned_away(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        tls = ListenerTls((authority.issue("shop.test"),), client_ca=str(authority.ca), client_mode="required")
        async with tls_plane(tls) as (_, port):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                async with connected(port, authority.client(), "shop.test") as client:
                    await client.ask(b"shop.test")

    on_uvloop(run)


def test_a_verified_client_is_named_to_the_origin_and_cannot_name_itself(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        alice = authority.issue("alice@shop.test", file="alice", common_name='a"; Subject="bob\r\nX: y')
        tls = ListenerTls((authority.issue("shop.test"),), client_ca=str(authority.ca), client_mode="optional")
        forged = b'X-Forwarded-Client-Cert: Subject="CN=root"'
        async with tls_plane(tls) as (_, port):
            async with connected(port, authority.client(alice), "shop.test") as client:
                answer = await client.ask(b"shop.test", forged)
            assert 1 == answer.count(b"X-Forwarded-Client-Cert")
            assert b';Subject="' in answer
            assert b"O=Tests" in answer
            assert b"CN=a\\22\\3B Subject\\3D\\22bob\\0D\\0AX: y" in answer
            assert b"\r\nX: y" not in answer
            async with connected(port, authority.client(), "shop.test") as client:
                assert b"client-cert" not in (await client.ask(b"shop.test", forged, b"X_Forwarded_Client_Cert: x")).lower()

    on_uvloop(run)


def test_another_authoritys_client_certificate_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        authority, other = Authority(tmp_path), Authority(tmp_path, "other")
        mallory = other.issue("mallory@shop.test", file="mallory")
        tls = ListenerTls((authority.issue("shop.test"),), client_ca=str(authority.ca), client_mode="optional")
        async with tls_plane(tls) as (_, port):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                async with connected(port, authority.client(mallory), "shop.test") as client:
                    await client.ask(b"shop.test")

    on_uvloop(run)


def test_plain_http_to_a_tls_listener_is_not_served(tmp_path: Path) -> None:
    async def run() -> None:
        async with tls_plane(ListenerTls((Authority(tmp_path).issue("shop.test"),))) as (plane, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET % b"shop.test")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await eventually(lambda: plane.doors["web"].unproven == 1, 5, "it was not counted")

    on_uvloop(run)


def test_connections_over_the_limit_are_refused_before_their_handshake(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        async with (
            tls_plane(ListenerTls((authority.issue("shop.test"),)), max_connections=1) as (plane, port),
            connected(port, authority.client(), "shop.test"),
        ):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with connected(port, authority.client(), "shop.test"):
                    pass
            assert 1 == plane.snapshot().listeners[0].refused

    on_uvloop(run)


def test_a_big_answer_passes_whole(tmp_path: Path) -> None:
    async def run() -> None:
        async def big(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
            await reader.read()

        authority = Authority(tmp_path)
        tls = ListenerTls((authority.issue("shop.test"),))
        async with (
            origin(big) as port,
            serving(listening(port, tls)) as (_, ours),
            connected(ours, authority.client(), "shop.test") as client,
        ):
            assert 8_000_000 == len(await client.ask(b"shop.test")) - len(b"HTTP/1.1 200 OK\n")

    on_uvloop(run)


def test_an_answer_cut_short_ends_in_a_reset_under_tls_as_well(tmp_path: Path) -> None:
    """Rule 34: a client of HTTP/1.0 that does not insist on close_notify would take any other end for the body's."""

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n")
        writer.close()

    async def run() -> None:
        authority = Authority(tmp_path)
        tls = ListenerTls((authority.issue("shop.test"),))
        async with (
            origin(breaking) as origin_port,
            serving(listening(origin_port, tls)) as (_, port),
            connected(port, authority.client(), "shop.test") as client,
        ):
            client.writer.write(b"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n")
            assert b"half " == (await client.reader.readuntil(b"half "))[-5:]
            with pytest.raises(ConnectionResetError):
                await client.reader.read()

    on_uvloop(run)
