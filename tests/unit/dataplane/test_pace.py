"""How fast a request body has to come (rule 41)."""

from __future__ import annotations

from math import inf

import pytest

from proxy import limits
from proxy.dataplane.pace import Pace
from tests.kit.conversation import Conversation

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
FIRST_S = limits.BODY_RATE_GRACE_S + limits.BODY_RATE_WINDOW_S
ENOUGH = int(limits.BODY_RATE_MIN * limits.BODY_RATE_WINDOW_S)


def test_the_first_window_is_longer_by_the_grace() -> None:
    pace = Pace(10)
    pace.begin(100.0, may_wait=False)

    assert 100.0 + FIRST_S == pace.ends


def test_a_window_is_kept_by_the_rate_times_its_length() -> None:
    pace = Pace(10)
    pace.begin(0.0, may_wait=False)
    pace.came(int(10 * limits.BODY_RATE_WINDOW_S) - 1, 5.0)
    assert not pace.goes_on(FIRST_S, judged=True)
    pace.came(1, 6.0)

    assert pace.goes_on(FIRST_S, judged=True)


def test_a_new_window_starts_from_nothing() -> None:
    pace = Pace(10)
    pace.begin(0.0, may_wait=False)
    pace.came(1_000_000, 1.0)
    pace.again(50.0)

    assert (50.0 + limits.BODY_RATE_WINDOW_S, 0) == (pace.ends, pace.seen)


def test_a_deadline_before_the_windows_end_was_another_one() -> None:
    pace = Pace(10)
    pace.begin(0.0, may_wait=False)
    pace.came(1_000_000, 1.0)

    assert not pace.goes_on(FIRST_S - 1, judged=True)


def test_the_next_byte_is_due_by_whichever_comes_first() -> None:
    pace = Pace(10)
    pace.begin(0.0, may_wait=False)

    assert (3.0, FIRST_S) == (pace.due(1.0, 2.0), pace.due(1.0, 60.0))


def test_a_client_that_may_wait_has_its_window_from_its_first_byte() -> None:
    pace = Pace(10)
    pace.begin(0.0, may_wait=True)
    assert 61.0 == pace.due(1.0, 60.0)
    pace.came(1, 30.0)

    assert 30.0 + FIRST_S == pace.ends


def test_without_a_rate_there_is_no_window() -> None:
    pace = Pace(0)
    pace.begin(0.0, may_wait=False)
    pace.came(1, 1.0)
    pace.again(2.0)

    assert inf == pace.ends


def status(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1]) if heard else 0


async def trickled(talk: Conversation, size: int, gap_s: float, times: int) -> int:
    """A body of which ``size`` bytes come every ``gap_s``; the status heard, or 0."""
    await talk.client.says(HEAD + b"\r\n")
    for _ in range(times):
        await talk.client.says(b"x" * size)
        await talk.pass_time(gap_s)
    return status(talk.client.heard())


@pytest.mark.asyncio
async def test_a_body_that_trickles_is_408_and_nobodys_failure() -> None:
    talk = Conversation()
    heard = await trickled(talk, 1, 1.0, 22)
    counts = talk.counts()["v1"]

    assert 408 == heard
    assert ({408: 1}, {}, 0) == (counts.requests, counts.failures, counts.draws)
    assert talk.origin().closing
    await talk.end()


@pytest.mark.asyncio
async def test_a_body_that_comes_fast_enough_goes_on() -> None:
    talk = Conversation()

    assert 0 == await trickled(talk, ENOUGH, FIRST_S + 0.2, 1)
    await talk.end()


@pytest.mark.asyncio
async def test_a_chunked_trickle_is_408_as_well() -> None:
    talk = Conversation()
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(22):
        await talk.client.says(b"1\r\nx\r\n")
        await talk.pass_time(1.0)

    assert 408 == status(talk.client.heard())
    await talk.end()


@pytest.mark.asyncio
async def test_a_client_that_waits_to_be_told_to_go_on_is_not_slow() -> None:
    talk = Conversation()
    await talk.client.says(HEAD + b"Expect: 100-continue\r\n\r\n")
    await talk.pass_time(FIRST_S + 1)

    assert b"" == talk.client.heard()
    await talk.end()


@pytest.mark.asyncio
async def test_time_in_which_the_proxy_does_not_read_is_not_the_clients() -> None:
    talk = Conversation()
    await talk.client.says(HEAD + b"\r\nx")
    talk.origin().protocol.pause_writing()
    await talk.pass_time(FIRST_S + 1)
    talk.origin().protocol.resume_writing()

    assert b"" == talk.client.heard()
    assert talk.client.transport.reading
    await talk.end()


@pytest.mark.asyncio
async def test_a_client_that_was_answered_is_not_judged() -> None:
    """Rule 36: the answer is on its way, and the connection closes after it."""
    talk = Conversation()
    await talk.client.says(HEAD + b"\r\nx")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 9\r\n\r\nok")
    await talk.pass_time(FIRST_S + 1)

    assert not talk.client.transport.aborted
    await talk.end()


@pytest.mark.asyncio
async def test_a_listener_without_a_rate_waits_as_long_as_a_byte_may_take() -> None:
    talk = Conversation()
    await talk.client.leaves()
    talk.client = talk.another_client()
    talk.client.protocol._pace = Pace(0)  # as a door without a rate has it

    assert 0 == await trickled(talk, 1, 2.5, 20)
    await talk.end()
