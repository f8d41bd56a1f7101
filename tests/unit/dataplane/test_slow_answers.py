"""Slow answers are counted where they end, on the version that gave them, when the plan says what is slow."""

from __future__ import annotations

import pytest

from proxy.model.route import Match
from proxy.model.service import Endpoint, Override, Sticky, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: user=ann\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
NO = b"HTTP/1.1 500 No\r\nDate: x\r\nContent-Length: 2\r\n\r\nno"
TWO = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))
ANY_S = 1e-9
"""A bound that every answer is over."""

pytestmark = pytest.mark.asyncio


def talking(to: str, slow_over_s: float, **more: object) -> Conversation:
    """All requests are drawn to one version of a rollout to v2."""
    weights = (1.0, 0.0) if to == "v1" else (0.0, 1.0)
    return Conversation(plan(versions=TWO, weights=weights, stable="v1", candidate="v2", rollout=7, slow_over_s=slow_over_s, **more))


async def answered(talk: Conversation, *answers: bytes) -> None:
    """One request, and what the origins say to it, one after the other."""
    await talk.client.says(GET)
    for answer in answers:
        await talk.origin_says(answer)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_answer_over_the_bound_is_slow_on_either_version(version: str) -> None:
    talk = talking(version, ANY_S)
    await answered(talk, OK)

    assert (1, []) == ((counted := talk.counts()[version]).draw_slow, counted.slow_users)
    await talk.end()


@pytest.mark.parametrize("bound", [0.0, 60.0])
async def test_without_a_bound_and_below_it_none_is(bound: float) -> None:
    talk = talking("v2", bound)
    await answered(talk, OK)

    assert (1, 0) == ((counted := talk.counts()["v2"]).draws, counted.draw_slow)
    await talk.end()


async def test_a_known_users_slow_answer_says_whose_it_was() -> None:
    talk = talking("v2", ANY_S, sticky=Sticky("cookie", "user"))
    await answered(talk, OK)

    assert (0, 1) == ((counted := talk.counts()["v2"]).draw_slow, len(counted.slow_users))
    await talk.end()


async def test_a_failure_is_no_slow_answer() -> None:
    talk = talking("v2", ANY_S)
    await answered(talk, NO)

    assert ({"status_5xx": 1}, 0) == ((counted := talk.counts()["v2"]).draw_failures, counted.draw_slow)
    await talk.end()


async def test_an_override_is_no_slow_answer() -> None:
    talk = talking("v1", ANY_S, overrides=(Override(Match(path_prefix="/"), "v2"),))
    await answered(talk, OK)

    assert (0, 0, True) == ((counted := talk.counts()["v2"]).draws, counted.draw_slow, counted.latency == counted.latency_aside)
    await talk.end()


async def test_what_stable_answers_in_the_candidates_place_is_no_slow_answer_of_stable() -> None:
    talk = talking("v2", ANY_S, fallback=True)
    await answered(talk, NO, OK)
    counts = talk.counts()

    assert (0, 0) == (counts["v1"].draw_slow, counts["v2"].draw_slow)
    await talk.end()
