"""Leaving a listening socket: who is connected as far as the kernel told him is served, who comes later is refused."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from proxy import limits
from proxy.dataplane.listening import Listening
from tests.kit.uv import on_uvloop
from tests.kit.waiting import eventually


class Greeting(asyncio.Protocol):
    """Says hello and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]  # uvloop's are no subclasses of Transport
        transport.close()


def listening(path: Path | None = None) -> socket.socket:
    """A socket on the loopback, or at a path, that listens."""
    sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    sock.bind(str(path) if path else ("127.0.0.1", 0))
    sock.listen(16)
    sock.setblocking(False)
    return sock


def connected(sock: socket.socket) -> socket.socket:
    """A client whose connection the kernel has made; the loop has had no turn to see it."""
    client = socket.socket(sock.family)
    client.settimeout(0.9)
    client.connect(sock.getsockname())
    client.setblocking(False)
    return client


async def heard(client: socket.socket) -> bytes:
    """What a client hears until the end."""
    loop, said = asyncio.get_running_loop(), b""
    with client:
        async with asyncio.timeout(5):
            while piece := await loop.sock_recv(client, 100):
                said += piece
    return said


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@on_uvloop
async def test_clients_that_wait_in_the_queue_when_it_ends_are_served(kind: str, tmp_path: Path) -> None:
    sock = listening(tmp_path / "x" if kind == "unix" else None)
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(sock, Greeting)
    clients = [connected(sock) for _ in range(10)]
    await doors.end()

    assert [b"hello"] * 10 == [await heard(client) for client in clients]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@on_uvloop
async def test_a_turn_of_the_loop_takes_several_clients(kind: str, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    sock = listening(tmp_path / "x" if kind == "unix" else None)
    turn, turns = 0, Counter[int]()

    def turned() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(turned)

    def taken() -> Greeting:
        turns[turn] += 1
        return Greeting()

    turned()
    doors = Listening(loop)
    await doors.begin(sock, taken)
    clients = [connected(sock) for _ in range(2 * limits.ACCEPTS_OF_THE_LOOP)]

    assert {b"hello"} == {await heard(client) for client in clients}
    assert [limits.ACCEPTS_OF_THE_LOOP] * 2 == list(turns.values())
    await doors.end()


def sockets() -> int:
    """How many this process has open."""
    return sum("socket:" in os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@on_uvloop
async def test_more_clients_than_a_loop_s_own_queue_has_places_for_are_not_kept_waiting(kind: str, tmp_path: Path) -> None:
    """A client whom the queue has no place for tries again after one second, three, seven, and nobody is told."""
    sock = listening(tmp_path / "x" if kind == "unix" else None)
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(sock, Greeting)
    try:
        clients = [connected(sock) for _ in range(500)]
        assert [b"hello"] * 500 == await asyncio.gather(*map(heard, clients))
    finally:
        doors.close()


@pytest.mark.parametrize("in_order", [True, False])
@on_uvloop
async def test_no_descriptor_is_left(in_order: bool) -> None:
    before = sockets()
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(listening(), Greeting)
    assert before + limits.ACCEPTS_OF_THE_LOOP == sockets()
    if in_order:
        await doors.end()
    else:
        doors.close()

    await eventually(lambda: before == sockets(), 5, "the sockets of before")


@on_uvloop
async def test_nobody_is_accepted_after_the_end() -> None:
    sock = listening()
    address = sock.getsockname()
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(sock, Greeting)
    await doors.end()

    def refused() -> bool:
        with socket.socket() as late:
            return late.connect_ex(address) != 0

    await eventually(refused, 5, "refusal")


@on_uvloop
async def test_a_client_that_has_left_the_queue_again_harms_nobody() -> None:
    sock = listening()
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(sock, Greeting)
    gone, client = connected(sock), connected(sock)
    gone.close()
    await doors.end()

    assert b"hello" == await heard(client)


@on_uvloop
async def test_close_leaves_at_once() -> None:
    sock = listening()
    doors = Listening(asyncio.get_running_loop())
    await doors.begin(sock, Greeting)
    client = connected(sock)
    doors.close()

    with pytest.raises(ConnectionError):
        await heard(client)
