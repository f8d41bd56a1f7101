"""How connections to slow, deaf and vanished clients end: never before the answer is out, never kept for ever, with TLS and without."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.plane import DataPlane
from proxy.model.intent import Listener, ListenerTls
from proxy.model.service import Endpoint, Version
from tests.kit.certificates import Authority
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually, steady

GET = b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n"
CLOSING_GET = b"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
LONG = 8_000_000  # more than the system takes for a client that does not read
PATIENCE_S = 10.0


async def long_winded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG + bytes(LONG))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


class Wire:
    """A client whose system holds little for it, on a socket that blocks; with TLS when it has a context."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._sock.settimeout(PATIENCE_S)
        self._port = port
        self._context = context

    async def connects(self) -> Wire:
        def connect() -> None:
            self._sock.connect(("127.0.0.1", self._port))
            if self._context is not None:
                self._sock = self._context.wrap_socket(self._sock, server_hostname="site.test")

        await asyncio.to_thread(connect)
        return self

    async def says(self, data: bytes) -> None:
        await asyncio.to_thread(self._sock.sendall, data)

    async def hears_all(self) -> bytes:
        def read() -> bytes:
            heard = bytearray()
            while piece := self._sock.recv(1 << 20):
                heard += piece
            return bytes(heard)

        return await asyncio.to_thread(read)

    def leaves(self, *, reset: bool) -> None:
        if reset and self._sock.fileno() >= 0:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


class Site:
    """A plane, plain or with TLS, and one client."""

    def __init__(self, plane: DataPlane, client: Wire) -> None:
        self.plane = plane
        self.client = client

    async def is_empty(self) -> None:
        await eventually(lambda: not self.plane.downstreams, PATIENCE_S, "a connection is left")

    def counted(self) -> tuple[dict[int, int], dict[str, int]]:
        (cell,) = self.plane.snapshot().cells
        return cell.requests, cell.failures


@asynccontextmanager
async def site(folder: Path, tls: bool, *, answers: bool) -> AsyncIterator[Site]:
    async with origin(long_winded if answers else silent) as port:
        the_plan = plan(versions=(Version("v1", (Endpoint("127.0.0.1", port),)),))
        context = None
        if tls:
            authority = Authority(folder)
            listener = Listener(name="web", tls=ListenerTls((authority.issue("site.test"),)))
            the_plan = msgspec.structs.replace(the_plan, listeners=(listener,))
            context = authority.client()
        async with serving(the_plan) as (plane, at):
            client = Wire(at, context)
            try:
                yield Site(plane, await client.connects())
            finally:
                client.leaves(reset=True)


both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@both
def test_the_last_answer_of_a_connection_waits_for_its_reader(tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the farewell of TLS may take: that begins when the answer is out."""

    async def run() -> None:
        monkeypatch.setattr(limits, "TLS_SHUTDOWN_S", 1.0)
        async with site(tmp_path, tls, answers=True) as here:
            await here.client.says(CLOSING_GET)
            await eventually(lambda: here.plane.downstreams, PATIENCE_S, "it is here")
            await steady(lambda: len(here.plane.downstreams), 1.5, PATIENCE_S, "it is here still")

            body = (await here.client.hears_all()).partition(b"\r\n\r\n")[2]
            assert len(body) == LONG
            await here.is_empty()

    on_uvloop(run)


@both
@pytest.mark.parametrize("request_", [GET, CLOSING_GET, GET + GET[:9]], ids=["kept", "closing", "pipelined"])
def test_an_answer_that_nobody_takes_is_given_up(tls: bool, request_: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(limits, "IDLE_TIMEOUT_S", 0.3)
        monkeypatch.setattr(limits, "HEAD_TIMEOUT_S", 0.5)
        monkeypatch.setattr(limits, "LINGER_S", 0.2)
        monkeypatch.setattr(limits, "TLS_SHUTDOWN_S", 0.5)
        async with site(tmp_path, tls, answers=True) as here:
            await here.client.says(request_)
            await eventually(lambda: here.plane.downstreams, PATIENCE_S, "it is here")
            await here.is_empty()

            assert {} == here.counted()[1]

    on_uvloop(run)


@both
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_client_that_leaves_behind_a_pipelined_request_is_499(tls: bool, reset: bool, tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tls, answers=False) as here:
            await here.client.says(GET)
            await eventually(lambda: here.plane.snapshot().cells, PATIENCE_S, "it is under way")
            await here.client.says(GET)
            (connection,) = here.plane.downstreams
            await eventually(lambda: not connection.transport.is_reading(), PATIENCE_S, "nothing is read from it")
            here.client.leaves(reset=reset)
            await here.is_empty()

            assert ({499: 1}, {}) == here.counted()

    on_uvloop(run)
