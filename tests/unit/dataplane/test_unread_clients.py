"""Clients that leave, or take nothing, while the proxy reads nothing from them: 499 and nobody's failure, and never kept for ever."""

from __future__ import annotations

import pytest

from proxy import limits
from tests.kit.conversation import Conversation

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING_GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"

pytestmark = pytest.mark.asyncio


async def pipelining() -> Conversation:
    """A client that waits and has sent its next request already, so that nothing more is read from it."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.client.says(GET)
    return talk


async def uploading() -> Conversation:
    """A client whose upload the origin does not take."""
    talk = Conversation()
    await talk.client.says(UPLOAD + b"x" * 100)
    talk.origin().protocol.pause_writing()
    return talk


def codes(talk: Conversation) -> dict[int, int]:
    cell = talk.counts()["v1"]
    assert {} == cell.failures
    return cell.requests


async def test_one_that_pipelines_and_resets_is_499_at_once() -> None:
    talk = await pipelining()
    await talk.client.departs(gone=True)

    assert ({499: 1}, True) == (codes(talk), talk.origin().closing)
    await talk.end()


async def test_one_that_pipelines_and_closes_is_499_when_no_answer_begins_soon() -> None:
    talk = await pipelining()
    await talk.client.departs(gone=False)
    assert not talk.client.closed
    await talk.pass_time(limits.HALF_CLOSE_GRACE_S + 0.3)

    assert ({499: 1}, True) == (codes(talk), talk.origin().closing)
    await talk.end()


async def test_one_that_only_stops_sending_gets_what_comes_in_time_of_all_its_requests() -> None:
    talk = await pipelining()
    await talk.client.departs(gone=False)
    await talk.origin_says(OK)
    await talk.origin_says(OK)

    assert ({200: 2}, 2) == (codes(talk), talk.client.heard().count(b"200 OK"))
    await talk.end()


async def test_each_of_the_pipelined_requests_has_the_time_anew() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.client.says(GET * 3)
    await talk.client.departs(gone=False)
    await talk.origin_says(OK)
    await talk.client.departs(gone=False)
    await talk.pass_time(limits.HALF_CLOSE_GRACE_S + 0.3)

    assert {200: 1, 499: 1} == codes(talk)
    await talk.end()


async def test_the_last_of_the_pipelined_requests_is_waited_for_with_open_ears() -> None:
    talk = await pipelining()
    await talk.origin_says(OK)

    assert (True, set()) == (talk.client.transport.reading, talk.plane.departures.watched)  # type: ignore[attr-defined]  # scripted
    await talk.end()


async def test_one_that_resets_while_the_origin_takes_no_upload_is_499_at_once() -> None:
    talk = await uploading()
    await talk.client.departs(gone=True)

    assert ({499: 1}, True) == (codes(talk), talk.origin().closing)
    await talk.end()


async def test_one_that_closes_while_the_origin_takes_no_upload_is_499_soon() -> None:
    talk = await uploading()
    await talk.client.departs(gone=False)
    await talk.pass_time(limits.HALF_CLOSE_GRACE_S + 0.3)

    assert ({499: 1}, True) == (codes(talk), talk.origin().closing)
    await talk.end()


async def test_an_upload_that_goes_on_in_time_is_not_given_up_though_its_client_has_stopped_sending() -> None:
    talk = await uploading()
    await talk.client.departs(gone=False)
    talk.origin().protocol.resume_writing()
    await talk.pass_time(limits.HALF_CLOSE_GRACE_S + 0.3)
    await talk.client.says(b"x" * 900)
    await talk.origin_says(OK)

    assert {200: 1} == codes(talk)
    await talk.end()


async def test_one_that_pipelines_and_takes_no_answer_is_given_up_after_the_idle_time() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 300_000)
    talk.client.protocol.pause_writing()
    await talk.client.says(GET)
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 0.3)

    assert ({499: 1}, True) == (codes(talk), talk.client.transport.aborted)
    await talk.end()


@pytest.mark.parametrize("rest", [b"", b"x" * 900], ids=["more of it is awaited", "it is whole"])
async def test_one_that_takes_no_answer_to_its_upload_is_given_up_after_the_idle_time(rest: bytes) -> None:
    talk = Conversation()
    await talk.client.says(UPLOAD + b"x" * 100)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\n\r\nok")
    talk.client.transport.unsent = 1
    talk.client.protocol.pause_writing()
    await talk.pass_time(limits.IDLE_TIMEOUT_S - 1)
    if rest:
        await talk.client.says(rest)
    assert not talk.client.closed
    await talk.pass_time(1.3)

    assert ({499: 1}, True) == (codes(talk), talk.client.transport.aborted)
    await talk.end()


async def test_an_upload_is_timed_again_once_its_client_has_caught_up() -> None:
    """An interim answer was taken slowly, which must not leave the rest of the body without a time-out."""
    talk = Conversation()
    await talk.client.says(UPLOAD + b"x" * 100)
    talk.client.protocol.pause_writing()
    talk.client.protocol.resume_writing()
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 1)

    assert talk.client.heard().startswith(b"HTTP/1.1 408 ")
    await talk.end()


async def test_an_end_waits_until_the_answer_is_out() -> None:
    talk = Conversation()
    await talk.client.says(CLOSING_GET)
    talk.client.transport.unsent = 1
    await talk.origin_says(OK)
    assert not talk.client.closed
    await talk.client.transport.flush()

    assert (True, False) == (talk.client.closed, talk.client.transport.aborted)
    await talk.end()


async def test_an_answer_that_nobody_takes_does_not_keep_its_connection_for_ever() -> None:
    talk = Conversation()
    await talk.client.says(CLOSING_GET)
    talk.client.transport.unsent = 1
    await talk.origin_says(OK)
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 0.3)

    assert ({200: 1}, True) == (codes(talk), talk.client.transport.aborted)
    await talk.end()


async def test_an_idle_connection_with_an_answer_that_nobody_takes_ends() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    talk.client.transport.unsent = 1
    await talk.origin_says(OK)
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 0.3)
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 0.3)

    assert talk.client.transport.aborted
    await talk.end()


async def test_a_lingering_connection_ends_though_its_client_has_caught_up() -> None:
    """Its time must not be taken off it when the rest of the answer is out."""
    talk = Conversation()
    await talk.client.says(UPLOAD)
    await talk.origin_says(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
    talk.client.protocol.pause_writing()
    talk.client.protocol.resume_writing()
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 1)

    assert talk.client.transport.closing
    await talk.end()


async def test_one_that_was_given_up_is_499_though_the_origin_s_time_is_up_in_the_same_moment() -> None:
    """A busy loop may look at both time-outs in one turn, before it has heard that the connection is over."""
    talk = await pipelining()
    await talk.client.departs(gone=False)
    await talk.pass_time(limits.RESPONSE_TIMEOUT_S + 1)

    assert {499: 1} == codes(talk)
    await talk.end()
