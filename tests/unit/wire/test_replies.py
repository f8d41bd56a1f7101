from __future__ import annotations

import json

import pytest

from proxy.wire.replies import own_reply, reply_to, reply_to_unread, status_line, wants_json
from proxy.wire.request import Starts, new_table, parse

STATUSES = [400, 404, 405, 408, 413, 414, 417, 421, 431, 500, 501, 502, 503, 504, 505, 508]


def reply(status: int = 502, reason: str = "", *, json_wanted: bool = False, head_request: bool = False, close: bool = False) -> bytes:
    return own_reply(status, reason, json_wanted=json_wanted, head_request=head_request, close=close, request_id=b"")


def parts(answer: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("json_wanted", [True, False])
def test_the_length_is_that_of_the_body(status: int, json_wanted: bool) -> None:
    head, body = parts(reply(status, "it broke", json_wanted=json_wanted))

    assert b"Content-Length: %d" % len(body) in head


def test_the_status_line_has_the_registered_reason() -> None:
    assert b"HTTP/1.1 404 Not Found" == status_line(404)


def test_plain_text_says_what_failed_and_why() -> None:
    assert b"502 The service behind the proxy failed: it closed\n" == parts(reply(502, "it closed"))[1]
    assert b"404 No route matches this request\n" == parts(reply(404))[1]


def test_a_status_without_a_title_of_ours_has_the_registered_one() -> None:
    assert b"424 Failed Dependency\n" == parts(reply(424))[1]


def test_problem_json_says_what_failed_and_why() -> None:
    """RFC 9457."""
    head, body = parts(reply(504, "no answer in time", json_wanted=True))

    assert b"Content-Type: application/problem+json" in head
    expected = {
        "type": "about:blank",
        "title": "The service behind the proxy took too long",
        "status": 504,
        "detail": "no answer in time",
    }
    assert expected == json.loads(body)


def test_problem_json_has_no_empty_detail() -> None:
    assert "detail" not in json.loads(parts(reply(404, json_wanted=True))[1])


def test_an_answer_to_head_has_the_length_and_no_body() -> None:
    """Rule 33."""
    head, body = parts(reply(404, head_request=True))

    assert (b"", True) == (body, b"Content-Length: 34" in head)


@pytest.mark.parametrize(("status", "lines"), [(503, [b"Retry-After: 1"]), (502, []), (504, [])])
def test_only_503_says_when_to_come_again(status: int, lines: list[bytes]) -> None:
    assert lines == [line for line in parts(reply(status))[0] if line.startswith(b"Retry-After")]


@pytest.mark.parametrize(("close", "lines"), [(True, [b"Connection: close"]), (False, [])])
def test_an_answer_says_when_it_is_the_last(close: bool, lines: list[bytes]) -> None:
    assert lines == [line for line in parts(reply(close=close))[0] if line.startswith(b"Connection")]


def test_an_answer_carries_the_requests_id() -> None:
    answer = own_reply(502, "", json_wanted=False, head_request=False, close=False, request_id=b"abc")

    assert b"X-Request-Id: abc" in parts(answer)[0]


def test_an_answer_is_not_cached() -> None:
    assert b"Cache-Control: no-store" in parts(reply(404))[0]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        (b"*/*", False),
        (b"text/html", False),
        (b"application/*", False),
        (b"application/json", True),
        (b"text/html, application/problem+json;q=0.9", True),
    ],
)
def test_json_is_for_a_client_that_asks_for_it_by_name(accept: bytes | None, wanted: bool) -> None:
    assert wanted is wants_json(accept)


def test_a_reply_has_the_form_that_its_request_asks_for() -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"
    answer = reply_to(parse(head, Starts(), new_table()), 404, "", close=False)

    assert answer.endswith(b"\r\n\r\n")
    assert b"application/problem+json" in answer


def test_a_reply_to_what_could_not_be_read_is_plain_text() -> None:
    assert b"text/plain" in reply_to_unread(b"GET", 400, "no")
