"""What a route answers by itself: a body too large, a rate exceeded, another address. No version is charged with any of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.model.plan import RoutePlan
from proxy.model.route import Match, RateLimit, Redirect, Route
from tests.kit.conversation import Conversation, plan
from tests.kit.strict_reader import read_requests

OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


def routed(**changes: Any) -> RoutePlan:
    return msgspec.structs.replace(plan(), routes=(Route(Match(path_prefix="/"), "shop", **changes),))


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_body_over_the_limit_is_413_before_any_of_it_is_read_and_no_version_hears_of_it() -> None:
    talk = Conversation(routed(body_limit=10))
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    heard = talk.client.heard()
    snapshot = talk.plane.snapshot()

    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in heard
    assert b"" == talk.origin_heard()
    assert ([], {"shop": {413: 1}}) == (snapshot.cells, snapshot.own)
    await talk.end()


async def test_a_client_still_sending_can_read_its_413() -> None:
    """Rule 36: the rest is swallowed for a moment, for a reset would take the answer away."""
    talk = Conversation(routed(body_limit=10))
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)

    assert talk.client.transport.eof_written
    assert not talk.client.transport.closing
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert 1 == talk.client.heard().count(b"HTTP/1.1")
    await talk.end()


async def test_a_body_as_large_as_the_limit_passes() -> None:
    talk = Conversation(routed(body_limit=3))
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")

    assert [b"abc"] == [message.body for message in read_requests(talk.origin_heard())]
    await talk.end()


async def test_a_limit_of_nothing_refuses_every_body() -> None:
    talk = Conversation(routed(body_limit=0))
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")

    assert talk.client.heard().startswith(b"HTTP/1.1 413 ")
    await talk.end()


async def test_a_chunked_body_is_413_once_it_is_over_the_limit_and_nobodys_failure() -> None:
    talk = Conversation(routed(body_limit=4))
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert b"" == talk.client.heard()
    await talk.client.says(b"2\r\nde\r\n0\r\n\r\n")
    counts = talk.counts()["v1"]

    assert talk.client.heard().startswith(b"HTTP/1.1 413 ")
    assert ({413: 1}, {}, 0) == (counts.requests, counts.failures, counts.draws)
    assert b"\r\nde\r\n" not in talk.origin_heard()
    assert talk.origin().closing
    await talk.end()


async def test_a_chunked_body_as_large_as_the_limit_passes_and_the_next_has_a_limit_of_its_own() -> None:
    talk = Conversation(routed(body_limit=3))
    talk.plane.readable = lambda transport: False  # type: ignore[method-assign]  # there are no sockets to look at
    for _ in range(2):
        await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        await talk.origin_says(OK)

    assert 2 == talk.client.heard().count(b"HTTP/1.1 200 ")
    await talk.end()


async def test_over_the_rate_is_429_with_the_time_to_wait_and_not_charged() -> None:
    talk = Conversation(routed(rate_limit=RateLimit(1, 60.0, 1)))
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.client.heard()
    await talk.client.says(GET)
    heard = talk.client.heard()
    snapshot = talk.plane.snapshot()

    assert heard.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nRetry-After: 60\r\n" in heard
    assert not talk.client.closed
    assert ({200: 1}, {"shop": {429: 1}}) == (snapshot.cells[0].requests, snapshot.own)
    await talk.end()


async def test_a_new_plan_does_not_forgive_what_a_limit_has_counted() -> None:
    limited = routed(rate_limit=RateLimit(1, 60.0, 1))
    talk = Conversation(limited)
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.serve(msgspec.structs.replace(limited, generation=2))
    talk.client.heard()
    await talk.client.says(GET)

    assert talk.client.heard().startswith(b"HTTP/1.1 429")
    await talk.end()


async def test_a_limit_that_is_gone_is_forgotten() -> None:
    talk = Conversation(routed(rate_limit=RateLimit(1, 60.0, 1)))
    talk.serve(msgspec.structs.replace(plan(), generation=2))

    assert {} == talk.plane.rulebook._limiters
    await talk.end()


async def test_forgotten_keys_of_a_rate_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.limits.RATE_LIMIT_KEYS_MAX", 1)
    talk = Conversation(routed(rate_limit=RateLimit(1, 60.0, 1)))
    await talk.client.says(GET)
    await talk.another_client().says(GET)

    assert (1, 0) == (talk.plane.snapshot().rate_keys_evicted, talk.plane.snapshot().rate_keys_evicted)
    await talk.end()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_answered_without_a_service_and_the_connection_goes_on(status: Any) -> None:
    sends_away = Route(Match(path="/old"), redirect=Redirect(scheme="https", status=status))
    talk = Conversation(msgspec.structs.replace(plan(), routes=(sends_away, Route(Match(), "shop"))))
    await talk.client.says(b"GET /old?q HTTP/1.1\r\nHost: a\r\n\r\n")
    heard = talk.client.heard()
    unmatched = talk.plane.snapshot().unmatched
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert heard.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nLocation: https://a/old?q\r\n" in heard
    assert b"no-store" not in heard
    assert {status: 1} == unmatched
    assert OK == talk.client.heard()
    await talk.end()


async def test_a_redirect_that_needs_a_host_and_has_none_is_400() -> None:
    talk = Conversation(msgspec.structs.replace(plan(), routes=(Route(Match(), redirect=Redirect(scheme="https")),)))
    await talk.client.says(b"GET / HTTP/1.0\r\n\r\n")

    assert talk.client.heard().startswith(b"HTTP/1.1 400 ")
    await talk.end()
