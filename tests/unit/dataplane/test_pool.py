"""Connections to one endpoint: bounded, last used first, given to whoever still waits."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


async def test_the_connection_used_last_is_taken_first() -> None:
    talk = Conversation()
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    await talk.origin_says(OK, 0)
    await talk.origin_says(OK, 1)
    talk.origin_heard(0), talk.origin_heard(1)
    await talk.client.says(GET)

    assert (b"", True) == (talk.origin_heard(0), talk.origin_heard(1) != b"")
    await talk.end()


async def test_no_more_idle_connections_are_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_UPSTREAM_PER_ENDPOINT_MAX", 1)
    talk = Conversation()
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    await talk.origin_says(OK, 0)
    await talk.origin_says(OK, 1)

    assert [False, True] == [origin.closing for origin in talk.loop.origins]
    await talk.end()


async def test_a_pool_tells_its_state_in_a_line() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    pool = talk.plane.table.splits["shop"].legs[0].pools[0]

    assert "<Pool shop/v1 127.0.0.1:9001 active=1 idle=0>" == repr(pool)
    await talk.end()


async def test_an_endpoint_that_is_a_name_tells_how_often_it_could_not_be_looked_up() -> None:
    talk = Conversation(plan(versions=(Version("v1", (Endpoint("origin.localhost", 9001),)),)))

    async def fails(*_: object, **__: object) -> None:
        raise OSError("no such name")

    talk.loop.getaddrinfo = fails  # type: ignore[attr-defined]  # over the real one
    await talk.client.says(GET)
    first, second = talk.plane.snapshot().endpoints[0], talk.plane.snapshot().endpoints[0]

    assert [(1, "no such name"), (0, "no such name")] == [(state.lookups_failed, state.lookup_error) for state in (first, second)]
    await talk.end()


async def test_an_endpoint_that_is_an_address_tells_nothing_of_lookups() -> None:
    talk = Conversation()

    assert [None] == [state.lookups_failed for state in talk.plane.snapshot().endpoints]
    await talk.end()
