"""TLS to origins over real sockets: verified, with an own authority, our certificate, another name; what fails is a failed connect."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.plane import DataPlane
from proxy.errors import PlanRefused
from proxy.model.intent import Certificate
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, OriginTls, Shadow, Version
from tests.integration.dataplane.test_door import told
from tests.integration.dataplane.test_tls import repeating
from tests.kit.certificates import Authority
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually

GET = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"


def server(certificate: Certificate, **verify: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if verify:
        context.load_verify_locations(verify["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def to(port: int, tls: OriginTls | None, host: str = "127.0.0.1") -> RoutePlan:
    return plan(versions=(Version("v1", (Endpoint(host, port, tls=True),)),), tls=tls)


def failures(plane: DataPlane) -> dict[str, int]:
    return plane.snapshot().cells[0].failures


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_origin_that_the_given_authority_vouches_for_is_served(tmp_path: Path, host: str) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        context = server(authority.issue(host))
        async with (
            origin(repeating, ssl=context) as port,
            serving(to(port, OriginTls(ca=str(authority.ca)), host)) as (plane, ours),
        ):
            for _ in range(3):
                assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
            assert ({}, 1) == (failures(plane), plane.snapshot().endpoints[0].idle)

    on_uvloop(run)


@pytest.mark.parametrize("name", ["127.0.0.1", "other.test"])
def test_an_origin_that_cannot_be_verified_is_a_failed_connect(tmp_path: Path, name: str) -> None:
    async def run() -> None:
        authority, trusted = Authority(tmp_path), Authority(tmp_path, "other")
        ca = trusted.ca if name == "127.0.0.1" else authority.ca
        async with (
            origin(repeating, ssl=server(authority.issue(name))) as port,
            serving(to(port, OriginTls(ca=str(ca)))) as (plane, ours),
        ):
            answer = await told(ours, GET)
            assert answer.startswith(b"HTTP/1.1 502")
            assert b"127.0.0.1" not in answer
            assert {"connect": 1} == failures(plane)

    on_uvloop(run)


def test_without_verification_any_certificate_will_do(tmp_path: Path) -> None:
    async def run() -> None:
        context = server(Authority(tmp_path).issue("other.test"))
        async with origin(repeating, ssl=context) as port, serving(to(port, OriginTls(verify=False))) as (_, ours):
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")

    on_uvloop(run)


def test_the_server_name_is_asked_for_and_expected(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        context = server(authority.issue("shop.internal"))
        asked: list[str | None] = []
        context.sni_callback = lambda _connection, name, _context: asked.append(name)  # type: ignore[assignment]  # returns None
        tls = OriginTls(ca=str(authority.ca), server_name="shop.internal")
        async with origin(repeating, ssl=context) as port, serving(to(port, tls)) as (_, ours):
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
        assert ["shop.internal"] == asked

    on_uvloop(run)


@pytest.mark.parametrize("shown", [True, False])
def test_an_origin_that_asks_for_a_certificate_gets_ours(tmp_path: Path, shown: bool) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        ours = authority.issue("proxy.test", file="ours")
        tls = OriginTls(ca=str(authority.ca), cert=ours.cert if shown else "", key=ours.key if shown else "")
        context = server(authority.issue("127.0.0.1"), ca=str(authority.ca))
        async with origin(repeating, ssl=context) as port, serving(to(port, tls)) as (_, listening):
            assert shown == (await told(listening, GET)).startswith(b"HTTP/1.1 200")

    on_uvloop(run)


def test_an_origin_that_never_shakes_hands_is_a_connect_that_took_too_long(tmp_path: Path) -> None:
    async def run() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with origin(silent) as port, serving(to(port, OriginTls(ca=str(Authority(tmp_path).ca)))) as (plane, ours):
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 504")
            assert {"connect": 1} == failures(plane)

    on_uvloop(run)


def test_another_authority_in_a_new_plan_is_asked_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        authority, other = Authority(tmp_path), Authority(tmp_path, "other")
        context = server(authority.issue("127.0.0.1"))
        async with (
            origin(repeating, ssl=context) as port,
            serving(to(port, OriginTls(ca=str(authority.ca)))) as (plane, ours),
        ):
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
            plane.prepare(msgspec.structs.replace(to(port, OriginTls(ca=str(other.ca))), generation=2))
            plane.commit(2)
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 502")
            with pytest.raises(PlanRefused, match=r"service shop: .*none.pem cannot be read"):
                plane.prepare(msgspec.structs.replace(to(port, OriginTls(ca=str(tmp_path / "none.pem"))), generation=3))

    on_uvloop(run)


def test_an_answer_that_ends_without_a_length_or_a_farewell_is_not_whole(tmp_path: Path) -> None:
    """A cut TLS connection may be an attacker's doing (RFC 8446 section 6.1): the client must not take the answer for whole."""

    async def run() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf")
            await asyncio.sleep(0)
            writer.transport.abort()

        authority = Authority(tmp_path)
        async with (
            origin(cut, ssl=server(authority.issue("127.0.0.1"))) as port,
            serving(to(port, OriginTls(ca=str(authority.ca)))) as (plane, ours),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", ours)
            writer.write(GET)
            try:
                whole = (await reader.read()).endswith(b"0\r\n\r\n")
            except ConnectionError:
                whole = False
            writer.close()
            assert (False, {"reset": 1}) == (whole, failures(plane))

    on_uvloop(run)


def test_changed_files_are_used_by_new_connections_and_what_is_under_way_ends_on_its_own(tmp_path: Path) -> None:
    async def run() -> None:
        old, new = Authority(tmp_path), Authority(tmp_path, "new")
        context = server(old.issue("127.0.0.1"))
        go_on = asyncio.Event()
        connections = 0

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /slow"):
                    await go_on.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        async with origin(answering, ssl=context) as port, serving(to(port, OriginTls(ca=str(old.ca)))) as (plane, ours):
            reader, writer = await asyncio.open_connection("127.0.0.1", ours)
            writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            await eventually(lambda: connections == 1, 5, "the origin was not asked")
            made = new.issue("127.0.0.1", file="renewed")
            context.load_cert_chain(made.cert, made.key)
            old.ca.write_bytes(new.ca.read_bytes())
            plane._look_at_files()
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200"), "the new authority is not trusted"
            go_on.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"), "what was under way was cut"
            writer.close()
            assert (1, {"shop": ""}) == (plane.snapshot().endpoints[0].idle, plane.snapshot().origin_tls), "the old connection is kept"

    on_uvloop(run)


def mirrored(port: int, ca: Path, generation: int) -> RoutePlan:
    """Requests go to v1, their copies to v2, both at the same origin."""
    versions = tuple(Version(name, (Endpoint("127.0.0.1", port, tls=True),)) for name in ("v1", "v2"))
    made = plan(versions=versions, weights=(1.0, 0.0), tls=OriginTls(ca=str(ca)), shadow=Shadow("v2", compare=False))
    return msgspec.structs.replace(made, generation=generation)


@pytest.mark.parametrize("how", ["file", "plan"])
def test_copies_follow_what_their_service_trusts_as_requests_do(tmp_path: Path, how: str) -> None:
    async def run() -> None:
        old, new = Authority(tmp_path), Authority(tmp_path, "new")
        context = server(old.issue("127.0.0.1"))
        connections = 0
        ended: list[str] = []

        async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await repeating(reader, writer)

        def copies() -> int:
            ended.extend(result for delta in plane.snapshot().shadows for result in delta.results)
            return len(ended)

        async with origin(counting, ssl=context) as port, serving(mirrored(port, old.ca, 1)) as (plane, ours):
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
            await eventually(lambda: copies() == 1, 5, "the first copy did not end")
            made = new.issue("127.0.0.1", file="renewed")
            context.load_cert_chain(made.cert, made.key)
            if how == "file":
                old.ca.write_bytes(new.ca.read_bytes())
                plane._look_at_files()
            else:
                plane.prepare(mirrored(port, new.ca, 2))
                plane.commit(2)
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200"), "the new authority is not trusted"
            await eventually(lambda: copies() == 2, 5, "the second copy did not end")
            assert (["uncompared"] * 2, 4) == (ended, connections), "a copy went on a connection of the old trust"

    on_uvloop(run)


def test_changed_files_that_cannot_be_used_leave_the_old_ones_and_are_told(tmp_path: Path) -> None:
    async def run() -> None:
        authority = Authority(tmp_path)
        site, us = authority.issue("127.0.0.1"), authority.issue("us.test", file="us")
        tls = OriginTls(ca=str(authority.ca), cert=us.cert, key=us.key)
        async with origin(repeating, ssl=server(site, ca=authority.ca)) as port, serving(to(port, tls)) as (plane, ours):
            authority.issue("us.test", file="other")
            (tmp_path / "us.key").write_bytes((tmp_path / "other.key").read_bytes())
            plane._look_at_files()
            assert f"{us.cert} and {us.key} cannot be used together" in plane.snapshot().origin_tls["shop"]
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")
            authority.issue("us.test", file="us")
            plane._look_at_files()
            assert {"shop": ""} == plane.snapshot().origin_tls
            assert (await told(ours, GET)).startswith(b"HTTP/1.1 200")

    on_uvloop(run)


def test_files_of_origins_are_looked_at_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CERTIFICATE_POLL_S", 0.05)

    async def run() -> None:
        authority = Authority(tmp_path)
        async with serving(to(1, OriginTls(ca=str(authority.ca)))) as (plane, _):
            authority.ca.unlink()
            await eventually(lambda: plane.snapshot().origin_tls["shop"], 5, "nobody looked")

    on_uvloop(run)
