"""Names over a real DNS server: what the TTL is for, and what a failure does not undo."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.plane import DataPlane
from proxy.dataplane.resolver import Answer, Resolver
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import plan
from tests.kit.waiting import eventually
from tests.kit.zone import Zone, serving_zone

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PATIENCE_S = 10.0

pytestmark = pytest.mark.asyncio


async def looked_up(zone: Zone, host: str = "origin.test") -> Answer:
    resolver = Resolver(asyncio.get_running_loop())
    resolver.use((zone.nameserver,))
    try:
        return await resolver(host)
    finally:
        resolver.close()


@pytest.mark.parametrize(("ttl_s", "held_s"), [(7, 7.0), (0, limits.RESOLVE_TTL_S_MIN), (86_400, limits.RESOLVE_TTL_S_MAX)])
async def test_an_answer_holds_for_its_ttl_within_bounds(ttl_s: int, held_s: float) -> None:
    async with serving_zone("127.0.0.7", ttl_s=ttl_s) as zone:
        assert Answer(["127.0.0.7"], held_s) == await looked_up(zone)


async def test_a_server_that_fails_is_an_error_and_not_an_empty_answer() -> None:
    async with serving_zone() as zone:
        with pytest.raises(OSError, match=r"^origin\.test: "):
            await looked_up(zone)


async def test_a_lookup_under_way_ends_where_it_began_when_the_nameservers_change() -> None:
    async with serving_zone("127.0.0.7") as old, serving_zone("127.0.0.8") as new:
        old.silent = True
        resolver = Resolver(asyncio.get_running_loop())
        resolver.use((old.nameserver,))
        async with asyncio.TaskGroup() as tasks:
            began = tasks.create_task(resolver("origin.test"))
            await eventually(lambda: old.asked, PATIENCE_S, "the old one is asked")
            resolver.use((new.nameserver,))
            then = await resolver("origin.test")
            old.speak()
        resolver.close()

        assert (["127.0.0.7"], ["127.0.0.8"]) == (began.result().addresses, then.addresses)


async def test_localhost_is_asked_of_nobody() -> None:
    async with serving_zone("127.0.0.7") as zone:
        answer = await looked_up(zone, "localhost")

        assert (0, True) == (zone.asked, "127.0.0.7" not in answer.addresses)


class Gate:
    """Holds answers back while it is shut."""

    def __init__(self) -> None:
        self.shut = False
        self._held: list[Callable[[], None]] = []

    def through(self, answer: Callable[[], None]) -> None:
        if self.shut:
            self._held.append(answer)
        else:
            answer()

    def open(self) -> None:
        self.shut = False
        for answer in self._held:
            answer()


class Place(asyncio.Protocol):
    """One connection of an origin that answers with its own address, as the gate allows."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        body = str(self._transport.get_extra_info("sockname")[0]).encode()
        self._gate.through(lambda: self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)))


class Stage:
    """Origins at 127.0.0.1 and 127.0.0.2, a name for them in ``zone``, and a data plane in front."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.gate = Gate()
        self.port = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        first = await loop.create_server(lambda: Place(self.gate), "127.0.0.1", 0)
        origin_port = first.sockets[0].getsockname()[1]
        second = await loop.create_server(lambda: Place(self.gate), "127.0.0.2", origin_port)
        self._servers = [first, second]
        self.plane = DataPlane(0, loop=loop, on_urgent=lambda: None)
        named = plan(versions=(Version("v1", (Endpoint("origin.test", origin_port),)),))
        self.plane.prepare(msgspec.structs.replace(named, nameservers=(self.zone.nameserver,)))
        self.plane.commit(1)
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        await self.plane.listen("web", sock)
        self.port = sock.getsockname()[1]

    async def stop(self) -> None:
        self.plane.close()
        await self.plane.tasks.close()
        for server in self._servers:
            server.close()

    async def get(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        body = (await reader.readexactly(9)).decode()
        writer.close()
        await writer.wait_closed()
        return body

    async def reaches(self, address: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.get() != address:
                pass


async def test_requests_go_to_the_new_address_once_the_ttl_has_ended_and_one_in_flight_ends_at_the_old() -> None:
    async with serving_zone("127.0.0.1") as zone:
        stage = Stage(zone)
        await stage.start()
        first = await stage.get()
        stage.gate.shut = True
        in_flight = stage.plane.tasks.spawn(stage.get(), name="in flight")
        pool = stage.plane.table.splits["shop"].legs[0].pools[0]
        await eventually(lambda: pool.active == 1, PATIENCE_S, "a request in flight")
        zone.addresses = ["127.0.0.2"]
        await eventually(lambda: pool._name is not None and pool._name.addresses == ("127.0.0.2",), PATIENCE_S, "the new address")
        stage.gate.open()
        ended, then = await in_flight, await stage.get()
        await stage.stop()

        assert ("127.0.0.1", "127.0.0.1", "127.0.0.2") == (first, ended, then)


async def test_servfail_keeps_what_was_known_until_there_is_an_answer_again() -> None:
    async with serving_zone("127.0.0.1") as zone:
        stage = Stage(zone)
        await stage.start()
        await stage.get()
        zone.addresses = []
        asked = zone.asked
        await eventually(lambda: zone.asked > asked, PATIENCE_S, "another question")
        kept = await stage.get()
        zone.addresses = ["127.0.0.2"]
        await stage.reaches("127.0.0.2")
        await stage.stop()

        assert "127.0.0.1" == kept
