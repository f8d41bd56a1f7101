"""The client's connection: limits, time-outs, order, back-pressure, and how it ends."""

from __future__ import annotations

import pytest

from proxy import limits
from tests.kit.conversation import Conversation, settle
from tests.kit.strict_reader import read_requests

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


def status(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1])


async def refused(data: bytes) -> int:
    talk = Conversation()
    await talk.client.says(data)
    heard = talk.client.heard()
    assert talk.client.closed
    assert b"" == talk.origin_heard()
    await talk.end()
    return status(heard)


async def test_a_target_over_its_limit_is_414() -> None:
    """Rule 12."""
    assert await refused(b"GET /" + b"a" * limits.TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 414


async def test_an_endless_target_is_414_before_its_end() -> None:
    """Rule 12."""
    assert await refused(b"GET /" + b"a" * (limits.TARGET_BYTES_MAX + 100)) == 414


async def test_a_head_over_its_limit_is_431() -> None:
    """Rule 12."""
    assert await refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * limits.HEAD_BYTES_MAX + b"\r\n\r\n") == 431


async def test_an_endless_head_is_431_before_its_end() -> None:
    """Rule 12."""
    assert await refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * limits.HEAD_BYTES_MAX) == 431


async def test_too_many_fields_are_431() -> None:
    """Rule 12."""
    assert await refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * limits.HEADER_FIELDS_MAX + b"\r\n") == 431


async def test_as_many_fields_as_allowed_pass() -> None:
    """Rule 12."""
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (limits.HEADER_FIELDS_MAX - 1) + b"\r\n")

    assert 1 == len(read_requests(talk.origin_heard()))
    await talk.end()


async def test_half_a_head_is_408_when_its_time_is_up() -> None:
    """Rule 12; a byte now and then does not prolong it."""
    talk = Conversation()
    await talk.client.says(b"GET / HTT")
    await talk.pass_time(limits.HEAD_TIMEOUT_S - 1)
    await talk.client.says(b"P")
    assert b"" == talk.client.heard()
    await talk.pass_time(2)

    assert 408 == status(talk.client.heard())
    assert talk.client.closed
    await talk.end()


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    talk = Conversation()
    await talk.pass_time(limits.HEAD_TIMEOUT_S + 1)

    assert talk.client.closed
    assert b"" == talk.client.heard()
    await talk.end()


async def test_an_idle_keep_alive_connection_is_closed_in_time() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.client.heard()
    await talk.pass_time(limits.IDLE_TIMEOUT_S - 2)
    assert not talk.client.closed
    await talk.pass_time(4)

    assert talk.client.closed
    assert b"" == talk.client.heard()
    await talk.end()


async def test_a_body_that_stalls_is_408_and_nobodys_failure() -> None:
    """Rule 41."""
    talk = Conversation()
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await talk.pass_time(61)
    counts = talk.counts()["v1"]

    assert 408 == status(talk.client.heard())
    assert ({408: 1}, {}, 0) == (counts.requests, counts.failures, counts.draws)
    assert talk.origin().closing
    await talk.end()


async def test_answers_come_in_the_order_of_pipelined_requests() -> None:
    """Rule 30: the second request is not even sent before the first answer is out."""
    talk = Conversation()
    await talk.client.says(GET.replace(b"/ ", b"/1 ") + GET.replace(b"/ ", b"/2 "))
    first = read_requests(talk.origin_heard())
    await talk.origin_says(OK)
    second = read_requests(talk.origin_heard())

    assert ["GET /1 HTTP/1.1"] == [m.first for m in first]
    assert ["GET /2 HTTP/1.1"] == [m.first for m in second]
    await talk.end()


async def test_nothing_is_read_while_pipelined_bytes_wait() -> None:
    """Rule 30: bounded."""
    talk = Conversation()
    await talk.client.says(GET + b"GET /2")
    assert not talk.client.transport.reading
    await talk.origin_says(OK)

    assert talk.client.transport.reading
    await talk.end()


async def test_a_thousand_pipelined_requests_without_a_route_do_not_grow_the_stack() -> None:
    talk = Conversation()
    lost = b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 " + talk.plane.pseudonym + b"\r\n\r\n"
    await talk.client.says(lost * 1000)
    for _ in range(200):
        await settle()

    assert 1000 == talk.client.heard().count(b"HTTP/1.1 508")
    await talk.end()


async def test_a_slow_reader_stops_the_origin_and_its_time_does_not_run() -> None:
    """Rule 41: back-pressure."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    talk.client.protocol.pause_writing()
    assert not talk.origin().reading
    await talk.pass_time(59)
    talk.client.protocol.resume_writing()
    assert talk.origin().reading
    await talk.origin_says(b"defghij")

    assert talk.client.heard().endswith(b"abcdefghij")
    assert {} == talk.counts()["v1"].failures
    await talk.end()


async def test_a_client_that_reads_nothing_for_long_is_gone_and_nobody_failed() -> None:
    """Rules 37 and 41."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    talk.client.protocol.pause_writing()
    await talk.pass_time(61)
    counts = talk.counts()["v1"]

    assert ({499: 1}, {}) == (counts.requests, counts.failures)
    assert talk.origin().closing
    await talk.end()


async def test_an_origin_that_takes_no_more_stops_the_upload() -> None:
    """Rule 41: back-pressure."""
    talk = Conversation()
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    talk.origin().protocol.pause_writing()
    assert not talk.client.transport.reading
    talk.origin().protocol.resume_writing()

    assert talk.client.transport.reading
    await talk.end()


async def test_an_origin_that_takes_no_more_for_long_is_a_timeout() -> None:
    talk = Conversation()
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    talk.origin().protocol.pause_writing()
    await talk.pass_time(61)

    assert 504 == status(talk.client.heard())
    assert {"timeout": 1} == talk.counts()["v1"].failures
    await talk.end()


async def test_a_body_waits_unread_until_the_origin_connection_is_made() -> None:
    talk = Conversation()
    talk.client.protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    paused = not talk.client.transport.reading
    await settle()
    await talk.client.says(b"def")

    assert paused
    assert [b"abcdef"] == [m.body for m in read_requests(talk.origin_heard())]
    await talk.end()


async def test_a_paused_origin_connection_reads_again_before_it_is_reused() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    talk.client.protocol.pause_writing()
    talk.origin().protocol.data_received(b"cd")  # was in flight when reading stopped
    talk.client.protocol.resume_writing()
    await talk.client.says(GET)

    assert talk.origin().reading
    assert 1 == len(talk.loop.origins)
    await talk.end()


async def test_the_next_request_waits_until_a_slow_reader_has_caught_up() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.origin_heard()
    talk.client.protocol.pause_writing()
    await talk.client.says(GET)
    assert b"" == talk.origin_heard()
    talk.client.protocol.resume_writing()
    await settle()

    assert b"" != talk.origin_heard()
    await talk.end()


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_499() -> None:
    """Rule 37."""
    talk = Conversation()
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await talk.client.leaves()

    assert {499: 1} == talk.counts()["v1"].requests
    assert talk.origin().closing
    await talk.end()


async def test_pipelined_requests_of_a_client_that_stopped_sending_are_all_answered() -> None:
    talk = Conversation()
    await talk.client.says(GET + GET)
    await talk.client.leaves()
    await talk.origin_says(OK)
    await talk.origin_says(OK)

    assert 2 == talk.client.heard().count(b"200 OK")
    assert talk.client.closed
    await talk.end()


async def test_a_small_body_that_came_with_its_head_is_sent_with_it() -> None:
    talk = Conversation()
    for number in range(3):
        await talk.client.says(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" % number)
        assert [b"abc"] == [m.body for m in read_requests(talk.origin_heard())]
        await talk.origin_says(OK)
    await talk.end()


async def test_a_large_body_that_came_with_its_head_is_sent_whole() -> None:
    talk = Conversation()
    body = bytes(range(256)) * 64
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body + GET)
    first = read_requests(talk.origin_heard())
    await talk.origin_says(OK)

    assert [body] == [m.body for m in first]
    assert 1 == len(read_requests(talk.origin_heard()))
    await talk.end()


async def test_the_same_fields_with_the_body_still_to_come_are_not_taken_for_a_whole_request() -> None:
    talk = Conversation()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    await talk.client.says(head + b"abc")
    await talk.origin_says(OK)
    talk.origin_heard()
    await talk.client.says(head)
    await talk.client.says(b"def")

    assert [b"def"] == [m.body for m in read_requests(talk.origin_heard())]
    await talk.end()


async def test_a_repeated_request_with_another_method_is_that_method() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.client.heard()
    for _ in range(2):  # the second time the start line is known
        await talk.client.says(GET.replace(b"GET", b"HEAD"))
        await talk.origin_says(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\n")
        assert talk.client.heard().endswith(b"\r\n\r\n")
        assert not talk.origin().closing
    await talk.end()


STREAM = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"7\r\ndata: 1\r\n"


async def half_closed() -> Conversation:
    """A client that has ended its side after the first event of a stream."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(STREAM + EVENT)
    await talk.client.leaves()
    return talk


async def test_a_client_that_ended_its_side_of_a_silent_stream_is_gone() -> None:
    talk = await half_closed()
    assert not talk.origin().closing
    await talk.pass_time(2 * limits.HALF_CLOSE_GRACE_S)

    assert (True, True) == (talk.client.closed, talk.origin().closing)
    await talk.end()


async def test_a_client_that_ended_its_side_gets_all_that_keeps_coming() -> None:
    talk = await half_closed()
    step = 0.5 * limits.HALF_CLOSE_GRACE_S
    upstream = talk.origin().protocol
    for count in range(1, 9):
        await talk.pass_time(step)
        await talk.origin_says(EVENT)
        upstream.deadline += count * step  # the wheel's time runs ahead of the clock that the deadline is set by
    assert not talk.client.closed
    await talk.origin_says(b"0\r\n\r\n")

    assert (9, True) == (talk.client.heard().count(b"data: 1"), talk.client.closed)
    await talk.end()


async def test_a_client_that_ended_its_side_may_read_slowly() -> None:
    talk = await half_closed()
    talk.client.transport.protocol.pause_writing()
    await talk.pass_time(4 * limits.HALF_CLOSE_GRACE_S)
    assert not talk.client.closed
    talk.client.transport.protocol.resume_writing()
    await talk.pass_time(2 * limits.HALF_CLOSE_GRACE_S)

    assert talk.client.closed
    await talk.end()


async def test_a_bare_lf_in_a_head_that_comes_in_single_bytes_is_refused_at_once() -> None:
    """Rule 7."""
    talk = Conversation()
    for octet in b"GET / HTTP/1.1\r\nHost: a\n":
        await talk.client.says(bytes((octet,)))

    assert (400, True) == (status(talk.client.heard()), talk.client.closed)
    await talk.end()
