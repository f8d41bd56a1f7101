"""Host names: looked up ahead, again and again, without dropping what is under way."""

from __future__ import annotations

import asyncio

import pytest

from proxy import limits
from proxy.dataplane.names import Name, is_name
from proxy.dataplane.resolver import Answer
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Conversation, plan, settle

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


class Zone:
    """A resolver that answers what it is told; an empty list is a failure."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.ttl_s = 7.0
        self.asked = 0

    async def __call__(self, _host: str) -> Answer:
        self.asked += 1
        if not self.addresses:
            raise OSError("no such name")
        return Answer(self.addresses, self.ttl_s)


def unchanged() -> None:
    raise AssertionError("nothing has changed")


@pytest.mark.parametrize(("host", "name"), [("origin.internal", True), ("10.0.0.1", False), ("::1", False), ("", False)])
async def test_only_names_are_looked_up(host: str, name: bool) -> None:
    assert name == is_name(host)


async def test_addresses_take_turns_and_are_looked_up_once() -> None:
    zone = Zone("10.0.0.2", "10.0.0.1", "10.0.0.1")
    name = Name("o", zone, unchanged)
    firsts = {(await name.in_turn())[0] for _ in range(4)}

    assert ({"10.0.0.1", "10.0.0.2"}, 1) == (firsts, zone.asked)


async def test_an_address_that_failed_is_tried_last() -> None:
    name = Name("o", Zone("10.0.0.1", "10.0.0.2"), unchanged)
    await name.in_turn()
    name.failed("10.0.0.1")

    assert {"10.0.0.2"} == {(await name.in_turn())[0] for _ in range(4)}


async def test_what_was_known_stays_while_a_lookup_fails() -> None:
    zone = Zone("10.0.0.1")
    name = Name("o", zone, unchanged)
    await name.in_turn()
    zone.addresses = []
    await name.refresh()

    assert ["10.0.0.1"] == await name.in_turn()


async def test_a_failed_lookup_is_tried_again_before_a_long_ttl_is_over() -> None:
    zone = Zone("10.0.0.1")
    zone.ttl_s = limits.RESOLVE_TTL_S_MAX
    name = Name("o", zone, unchanged)
    await name.in_turn()
    zone.addresses = []
    await name.refresh()

    assert limits.RESOLVE_AGAIN_S == name.ttl_s


async def test_a_change_is_told() -> None:
    told: list[int] = []
    zone = Zone("10.0.0.1")
    name = Name("o", zone, lambda: told.append(1))
    await name.in_turn()
    await name.refresh()
    zone.addresses = ["10.0.0.2"]
    await name.refresh()

    assert ([1], ("10.0.0.2",)) == (told, name.addresses)


async def test_a_lookup_that_failed_is_counted_and_says_why_until_one_succeeds() -> None:
    zone = Zone("10.0.0.1")
    name = Name("o", zone, unchanged)
    await name.in_turn()
    zone.addresses = []
    await name.refresh()
    await name.refresh()
    failed = name.failures, name.error
    zone.addresses = ["10.0.0.1"]
    await name.refresh()

    assert ((2, "no such name"), (2, "")) == (failed, (name.failures, name.error))


async def test_a_lookup_that_nobody_waits_for_any_more_has_failed() -> None:
    async def silent(_host: str) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("never")

    name = Name("o", silent, unchanged)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await name.in_turn()

    assert (1, "no answer in time") == (name.failures, name.error)


class Resolved(Conversation):
    """A conversation whose origin is a name; ``zone`` says where it is, ``hosts`` where connections went."""

    def __init__(self) -> None:
        super().__init__(plan(versions=(Version("v1", (Endpoint("origin.localhost", 9001),)),)))
        self.zone = ["10.0.0.1"]
        self.hosts: list[str] = []
        self.loop.getaddrinfo = self._resolve  # type: ignore[attr-defined]  # over the real one
        self.loop.refuse = self._note

    async def _resolve(self, _host: str, _port: object, **_more: object) -> list[tuple[object, ...]]:
        if not self.zone:
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, 0)) for address in self.zone]

    def _note(self, host: str, _port: int) -> BaseException | None:
        self.hosts.append(host)
        return ConnectionRefusedError() if host == "10.0.0.9" else None

    async def moves(self, *addresses: str) -> None:
        self.zone = list(addresses)
        name = self.plane.table.splits["shop"].legs[0].pools[0]._name
        assert name is not None
        await name.refresh()
        await settle()


async def test_new_connections_go_to_the_new_address_and_what_is_in_flight_ends_where_it_began() -> None:
    talk = Resolved()
    await talk.client.says(GET)
    await talk.moves("10.0.0.2")
    await talk.origin_says(OK, 0)
    first = talk.client.heard()
    await talk.client.says(GET)
    await talk.origin_says(OK, 1)

    assert (OK, OK) == (first, talk.client.heard())
    assert ["10.0.0.1", "10.0.0.2"] == talk.hosts
    assert [True, False] == [origin.closing for origin in talk.loop.origins]
    await talk.end()


async def test_idle_connections_to_an_address_that_is_gone_are_closed() -> None:
    talk = Resolved()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    await talk.moves("10.0.0.2", "10.0.0.1")
    kept = not talk.origin().closing
    await talk.moves("10.0.0.2")

    assert (True, True) == (kept, talk.origin().closing)
    await talk.end()


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    talk = Resolved()
    talk.zone = ["10.0.0.1", "10.0.0.9"]
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert OK == talk.client.heard()
    assert ["10.0.0.9", "10.0.0.1"] == talk.hosts
    await talk.end()


async def test_a_name_that_cannot_be_found_is_a_connect_failure() -> None:
    talk = Resolved()
    talk.zone = []
    await talk.client.says(GET)

    assert {"connect": 1} == talk.counts()["v1"].failures
    await talk.end()
