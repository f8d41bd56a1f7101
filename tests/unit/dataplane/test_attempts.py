"""What follows a failure: another attempt, stable's answer, or the end; and that nothing does once a byte was relayed."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.route import Match
from proxy.model.service import Endpoint, Override, Retries, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
POST = PUT.replace(b"PUT", b"POST")
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nDate: x\r\nContent-Length: 0\r\n\r\n"
PAIR = (Version("v1", (Endpoint("127.0.0.1", 9001), Endpoint("127.0.0.1", 9002))),)
TWO = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))

pytestmark = pytest.mark.asyncio


def retrying(*on: str, attempts: int = 1) -> Conversation:
    return Conversation(plan(versions=PAIR, retries=Retries(attempts, on or ("connect", "reset"))))  # type: ignore[arg-type]  # checked by the configuration


def falling_back(**changes: object) -> Conversation:
    """All traffic is drawn to the candidate v2; v1 is stable."""
    return Conversation(plan(versions=TWO, weights=(0.0, 1.0), stable="v1", candidate="v2", rollout=7, fallback=True, **changes))


def ports(talk: Conversation) -> list[int]:
    return [origin.port for origin in talk.loop.origins]  # type: ignore[attr-defined]  # told by the scripted loop


async def warm(talk: Conversation) -> None:
    """One request, so that the origin's connection is a reused one."""
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.client.heard(), talk.origin_heard()


# -- the idle race (rule 38) ----------------------------------------------------------------------------------------------------------


async def test_a_body_is_sent_again_when_a_reused_connection_dies_unanswered() -> None:
    """Rule 38."""
    talk = Conversation()
    await warm(talk)
    await talk.client.says(PUT)
    await talk.origin_ends(0)
    sent = talk.origin_heard(1)
    await talk.origin_says(OK, 1)

    assert sent.startswith(b"PUT / ")
    assert sent.endswith(b"\r\n\r\nabc")
    assert OK == talk.client.heard()
    assert 0 == talk.plane.replay_room.bytes
    await talk.end()


async def test_a_body_that_is_still_arriving_goes_on_on_the_new_connection() -> None:
    """Rule 38."""
    talk = Conversation()
    await warm(talk)
    await talk.client.says(PUT[:-1])
    await talk.origin_ends(0)
    await talk.client.says(b"c")
    await talk.origin_says(OK, 1)

    assert talk.origin_heard(1).endswith(b"\r\n\r\nabc")
    assert OK == talk.client.heard()
    await talk.end()


async def test_a_body_too_long_to_keep_is_not_sent_again() -> None:
    """Rule 38."""
    talk = Conversation()
    await warm(talk)
    size = limits.REPLAY_BYTES_MAX + 1
    await talk.client.says(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    await talk.origin_ends(0)

    assert talk.client.heard().startswith(b"HTTP/1.1 502 ")
    assert [9001] == ports(talk)
    await talk.end()


async def test_an_origin_that_says_how_long_it_keeps_idle_connections_is_believed() -> None:
    """Rule 38: and left a second earlier."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nDate: x\r\nKeep-Alive: timeout=20, max=5\r\nContent-Length: 0\r\n\r\n")
    heard = talk.client.heard()
    await talk.pass_time(18.8)
    kept = not talk.origin().closing
    await talk.pass_time(0.5)

    assert (True, True) == (kept, talk.origin().closing)
    assert b"Keep-Alive" not in heard
    await talk.end()


# -- retries --------------------------------------------------------------------------------------------------------------------------


async def test_a_reset_is_tried_again_at_another_endpoint_and_not_charged() -> None:
    talk = retrying()
    await talk.client.says(PUT)
    await talk.origin_ends(0)
    sent = talk.origin_heard(1)
    await talk.origin_says(OK, 1)
    counts = talk.counts()["v1"]

    assert OK == talk.client.heard()
    assert {9001, 9002} == set(ports(talk))
    assert sent.endswith(b"\r\n\r\nabc")
    assert ({200: 1}, {}, 1) == (counts.requests, counts.failures, counts.retries)
    await talk.end()


async def test_a_post_is_never_tried_again_after_it_was_sent() -> None:
    """RFC 9110 section 9.2.2."""
    talk = retrying("connect", "reset", "timeout", "status_503", attempts=3)
    await talk.client.says(POST)
    await talk.origin_ends(0)

    assert talk.client.heard().startswith(b"HTTP/1.1 502 ")
    assert 1 == len(ports(talk))
    await talk.end()


async def test_no_more_attempts_are_made_than_allowed() -> None:
    talk = retrying(attempts=2)
    await talk.client.says(GET)
    for index in range(3):
        await talk.origin_ends(index)
    counts = talk.counts()["v1"]

    assert talk.client.heard().startswith(b"HTTP/1.1 502 ")
    assert 3 == len(ports(talk))
    assert ({502: 1}, {"reset": 1}, 2) == (counts.requests, counts.failures, counts.retries)
    await talk.end()


async def test_a_reset_after_the_first_byte_of_an_answer_is_not_tried_again() -> None:
    talk = retrying()
    await talk.client.says(GET)
    await talk.origin_says(b"H")
    await talk.origin_ends()

    assert talk.client.heard().startswith(b"HTTP/1.1 502 ")
    assert 1 == len(ports(talk))
    await talk.end()


async def test_nothing_is_tried_again_once_an_interim_answer_was_relayed() -> None:
    talk = retrying("connect", "reset", "timeout")
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    await talk.pass_time(31)

    assert b"HTTP/1.1 504 " in talk.client.heard()
    assert 1 == len(ports(talk))
    await talk.end()


async def test_nothing_is_tried_again_once_a_byte_of_the_answer_was_relayed() -> None:
    talk = retrying("connect", "reset", "timeout")
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
    await talk.origin_ends()

    assert talk.client.transport.aborted
    assert 1 == len(ports(talk))
    await talk.end()


@pytest.mark.parametrize("on", [(), ("status_503",)])
async def test_a_503_is_tried_again_only_where_that_is_configured(on: tuple[str, ...]) -> None:
    talk = retrying(*on)
    await talk.client.says(GET)
    await talk.origin_says(BUSY)
    if on:
        await talk.origin_says(OK, 1)

    assert (OK if on else BUSY) == talk.client.heard()
    assert ({} if on else {"status_5xx": 1}) == talk.counts()["v1"].failures
    await talk.end()


async def test_a_declined_answer_leaves_its_connection_clean_for_the_next() -> None:
    talk = retrying("status_503")
    await talk.client.says(GET)
    await talk.origin_says(BUSY, 0)
    await talk.origin_says(OK, 1)

    assert [False, False] == [origin.closing for origin in talk.loop.origins]
    assert [(0, 1), (0, 1)] == [(level.active, level.idle) for level in talk.plane.snapshot().endpoints]
    await talk.end()


async def test_a_timeout_is_tried_again_where_that_is_configured() -> None:
    talk = retrying("timeout")
    await talk.client.says(GET)
    await talk.pass_time(31)
    await talk.origin_says(OK, 1)

    assert OK == talk.client.heard()
    await talk.end()


async def test_retries_beyond_the_budget_are_refused_and_counted() -> None:
    talk = retrying()
    clients = [talk.another_client() for _ in range(5)]
    for client in clients:
        await client.says(GET)
    for index in range(5):
        await talk.origin_ends(index)
    counts = talk.counts()["v1"]

    assert (3, 2, {502: 2}) == (counts.retries, counts.retries_refused, counts.requests)
    for index in range(5, 8):
        await talk.origin_says(OK, index)
    assert talk.plane.table.splits["shop"].legs[0].budget.allows(0)
    await talk.end()


async def test_no_more_endpoints_are_asked_for_a_connection_than_the_limit() -> None:
    endpoints = tuple(Endpoint("127.0.0.1", 9000 + n) for n in range(10))
    talk = Conversation(plan(versions=(Version("v1", endpoints),)))
    asked: list[int] = []
    talk.loop.refuse = lambda host, port: asked.append(port) or ConnectionRefusedError()  # type: ignore[func-returns-value]  # a list
    await talk.client.says(GET)

    assert limits.CONNECT_TRIES_MAX == len(set(asked))
    await talk.end()


# -- fallback -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503])
async def test_a_candidates_5xx_is_answered_by_stable_and_charged_to_the_candidate(status: int) -> None:
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)
    await talk.origin_says(OK)
    counts = talk.counts()
    bad, good = counts["v2"], counts["v1"]

    assert OK == talk.client.heard()
    assert ({status: 1}, {"status_5xx": 1}, 1, 1) == (bad.requests, bad.failures, bad.draws, bad.fallbacks)
    assert ({200: 1}, {}, 0, 0) == (good.requests, good.failures, good.draws, good.fallbacks)
    assert (0, 0, 1) == (bad.in_flight, good.in_flight, talk.urgent)
    await talk.end()


@pytest.mark.parametrize(("cause", "status"), [("connect", 502), ("reset", 502), ("protocol", 502), ("timeout", 504)])
async def test_a_candidate_that_breaks_is_answered_for_by_stable(cause: str, status: int) -> None:
    talk = falling_back()
    if cause == "connect":
        talk.loop.refuse = lambda host, port: ConnectionRefusedError() if port == 9002 else None
    await talk.client.says(GET)
    if cause == "reset":
        await talk.origin_ends()
    elif cause == "protocol":
        await talk.origin_says(b"nonsense\r\n\r\n")
    elif cause == "timeout":
        await talk.pass_time(31)
    await talk.origin_says(OK)
    bad = talk.counts()["v2"]

    assert OK == talk.client.heard()
    assert ({status: 1}, {cause: 1}, {cause: 1}) == (bad.requests, bad.failures, bad.draw_failures)
    await talk.end()


async def test_an_unsafe_request_is_not_answered_by_another_version() -> None:
    talk = falling_back()
    await talk.client.says(PUT)
    await talk.origin_says(BUSY)

    assert BUSY == talk.client.heard()
    assert [9002] == ports(talk)
    await talk.end()


async def test_an_override_gets_the_candidates_own_failure() -> None:
    """A tester asked for this version."""
    talk = falling_back(overrides=(Override(Match(headers=(("x-canary", "1"),)), "v2"),))
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\nX-Canary: 1\r\n\r\n")
    await talk.origin_says(BUSY)

    assert BUSY == talk.client.heard()
    await talk.end()


async def test_nothing_falls_back_once_a_byte_was_relayed() -> None:
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
    await talk.origin_ends()

    assert talk.client.transport.aborted
    assert [9002] == ports(talk)
    await talk.end()


async def test_a_stable_that_fails_as_well_is_charged_without_a_draw() -> None:
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(BUSY)
    await talk.origin_says(BUSY)
    stable = talk.counts()["v1"]

    assert BUSY == talk.client.heard()
    assert ({503: 1}, {"status_5xx": 1}, 0, {}) == (stable.requests, stable.failures, stable.draws, stable.draw_failures)
    await talk.end()


async def test_a_chunked_answer_that_cannot_be_read_leaves_nothing_to_the_one_that_replaces_it() -> None:
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    await talk.origin_says(OK)

    assert OK == talk.client.heard()
    assert {"protocol": 1} == talk.counts()["v2"].failures
    await talk.end()


async def test_a_client_that_leaves_during_a_fallback_is_nobodys_failure() -> None:
    """Rule 37: but what the candidate did before stays its failure."""
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(BUSY)
    await talk.client.leaves(ConnectionResetError())
    counts = talk.counts()

    assert ({499: 1}, {}) == (counts["v1"].requests, counts["v1"].failures)
    assert {"status_5xx": 1} == counts["v2"].failures
    await talk.end()


async def test_an_answer_without_length_that_is_declined_closes_its_connection() -> None:
    talk = falling_back()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")
    await talk.origin_says(OK)

    assert OK == talk.client.heard()
    assert [True, False] == [origin.closing for origin in talk.loop.origins]
    await talk.end()
