"""Who leaves while nothing is read from it is seen all the same: on TCP, on a unix socket, and behind TLS; and nobody else is."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.dataplane.departures import Departures
from tests.kit.uv import on_uvloop
from tests.kit.waiting import eventually

PATIENCE_S = 5.0


class Watched(asyncio.Protocol):
    """A connection whose reading is paused. ``told`` is what it heard of its peer: whether that was gone."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def departing(self, *, gone: bool) -> None:
        self.told.append(gone)


class Scene:
    """A watched connection, and its peer."""

    def __init__(self, departures: Departures, watched: Watched, peer: socket.socket) -> None:
        self.departures = departures
        self.watched = watched
        self.peer = peer

    async def tells(self, *gone: bool) -> None:
        """Wait for just that to have been told."""
        await eventually(lambda: self.watched.told == [*gone], PATIENCE_S, lambda: str(self.watched.told))


@asynccontextmanager
async def scene(family: int = socket.AF_INET) -> AsyncIterator[Scene]:
    loop = asyncio.get_running_loop()
    if family == socket.AF_UNIX:
        ours, peer = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            peer = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
    departures = Departures(loop)
    departures.open()
    _, watched = await loop.connect_accepted_socket(Watched, ours)
    watched.transport.pause_reading()
    departures.watch(watched)
    try:
        yield Scene(departures, watched, peer)
    finally:
        departures.close()
        watched.transport.abort()
        peer.close()
        await asyncio.sleep(0)


def resets(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@on_uvloop
async def test_who_sends_is_not_taken_for_one_that_leaves() -> None:
    async with scene() as here:
        for _ in range(3):
            here.peer.sendall(b"more")
            await asyncio.sleep(0)
        resets(here.peer)
        await here.tells(True)


@on_uvloop
async def test_who_closes_is_seen_behind_what_it_sent() -> None:
    async with scene() as here:
        here.peer.sendall(b"more")
        here.peer.shutdown(socket.SHUT_WR)
        await here.tells(False)


@on_uvloop
async def test_who_closes_first_and_resets_then_is_seen_twice() -> None:
    async with scene() as here:
        here.peer.shutdown(socket.SHUT_WR)
        await here.tells(False)
        resets(here.peer)
        await here.tells(False, True)


@on_uvloop
async def test_who_closes_a_unix_socket_is_gone() -> None:
    async with scene(socket.AF_UNIX) as here:
        here.peer.close()
        await here.tells(True)


@on_uvloop
async def test_what_is_the_case_already_is_told_to_who_asks_again() -> None:
    async with scene() as here:
        here.peer.shutdown(socket.SHUT_WR)
        await here.tells(False)
        here.departures.watch(here.watched)
        await here.tells(False, False)


@on_uvloop
async def test_a_forgotten_one_is_told_nothing() -> None:
    async with scene() as here, scene() as other:
        here.departures.forget(here.watched)
        resets(here.peer)
        resets(other.peer)
        await other.tells(True)

        assert [] == here.watched.told
