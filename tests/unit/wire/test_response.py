"""Rules 24, 26 and 32-34 as a response head meets them."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.errors import UpstreamError
from proxy.wire.response import CHUNKED, UNTIL_CLOSE, Response, Statuses, is_event_stream, new_table, parse


def read(*lines: str, status: str = "HTTP/1.1 200 OK", head_request: bool = False) -> Response:
    """A head of those field lines, parsed with tables that have seen nothing."""
    head = "\r\n".join([status, *lines, "", ""]).encode("latin-1")
    return parse(head, new_table(), Statuses(), head_request=head_request)


def refusal(*lines: str, status: str = "HTTP/1.1 200 OK") -> str:
    with pytest.raises(UpstreamError) as caught:
        read(*lines, status=status)
    assert "protocol" == caught.value.cause
    return caught.value.reason


def relayed(*lines: str, status: str = "HTTP/1.1 200 OK") -> list[str]:
    head = read(*lines, status=status).head.decode("latin-1")
    assert head.endswith("\r\n\r\n")
    return head[:-4].split("\r\n")[1:]


# -- the status line ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status"),
    [("HTTP/1.1 200 OK", 200), ("HTTP/1.1 404 ", 404), ("HTTP/1.1 503", 503), ("HTTP/1.0 200 é ö", 200), ("HTTP/1.1 599 a\tb", 599)],
)
def test_a_status_line_is_read(line: str, status: int) -> None:
    assert status == read(status=line).status


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HTTP/1.1",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 O\x00K",
        "HTTP/1.1 200 O\nK",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200OK",
    ],
)
def test_a_malformed_status_line_is_the_origins_fault(line: str) -> None:
    """Rules 2, 7 and 8 on the origin's side (rule 34)."""
    assert "malformed status line" == refusal(status=line)


def test_an_http_1_0_answer_is_relayed_as_http_1_1() -> None:
    """Rule 24."""
    assert b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" == read("X: y", status="HTTP/1.0 200 OK").head


def test_a_status_line_is_read_once() -> None:
    statuses = Statuses()

    assert (200, 1) == statuses[b"HTTP/1.1 200 OK"]
    assert [b"HTTP/1.1 200 OK"] == list(statuses)


def test_a_refused_status_line_is_not_remembered() -> None:
    statuses = Statuses()

    with pytest.raises(UpstreamError):
        statuses[b"HTTP/1.1 600 No"]

    assert {} == statuses


def test_the_table_of_status_lines_is_emptied_at_its_bound() -> None:
    statuses = Statuses()
    for number in range(257):
        statuses[b"HTTP/1.1 200 %d" % number]

    assert [b"HTTP/1.1 200 256"] == list(statuses)


# -- the body's length --------------------------------------------------------------------------------------------------------


def test_a_length_is_read_and_stays_in_the_head() -> None:
    response = read("Content-Length: 5", "X: y")

    assert (5, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n") == (response.length, response.head)


@pytest.mark.parametrize(("given", "written"), [("005", "5"), ("00", "0"), ("0", "0")])
def test_a_length_is_relayed_in_plain_decimal(given: str, written: str) -> None:
    """Rules 14 and 24: a reader that takes a leading zero for octal sees another length."""
    assert [f"Content-Length: {written}", "X: y"] == relayed(f"Content-Length: {given}", "X: y")


def test_a_chunked_body_has_no_framing_in_the_head() -> None:
    """Rule 24: it is written anew for the client."""
    response = read("Transfer-Encoding: chunked", "X: y")

    assert (CHUNKED, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n") == (response.length, response.head)


def test_a_body_without_framing_ends_with_the_connection() -> None:
    """Rule 34."""
    assert UNTIL_CLOSE == read("X: y").length


@pytest.mark.parametrize("lines", [["Content-Length: 5"], ["Transfer-Encoding: chunked"], []])
@pytest.mark.parametrize("status", [100, 103, 204, 304])
def test_some_answers_have_no_body_whatever_they_say(status: int, lines: list[str]) -> None:
    """Rule 33."""
    assert 0 == read(*lines, status=f"HTTP/1.1 {status} X").length


@pytest.mark.parametrize("lines", [["Content-Length: 5"], ["Transfer-Encoding: chunked"], []])
def test_the_answer_to_head_has_no_body_whatever_it_says(lines: list[str]) -> None:
    """Rule 33."""
    assert 0 == read(*lines, head_request=True).length


def test_the_answer_to_head_keeps_the_length_it_tells_of() -> None:
    """Rule 33."""
    assert b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" == read("Content-Length: 5", head_request=True).head


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [100, 103, 204])
def test_some_answers_are_relayed_without_framing(status: int, line: str) -> None:
    """Rule 33."""
    assert [] == relayed(line, status=f"HTTP/1.1 {status} X")


def test_304_keeps_the_length_it_tells_of() -> None:
    """RFC 9110 section 15.4.5."""
    assert ["Content-Length: 5"] == relayed("Content-Length: 5", status="HTTP/1.1 304 Not Modified")


@pytest.mark.parametrize("lines", [[], ["Transfer-Encoding: chunked"], ["Content-Length: 0"]])
def test_205_is_relayed_empty_and_says_so(lines: list[str]) -> None:
    """Rule 33: unlike 204 it has no implied end, so a client without a length would wait for the connection's."""
    response = read(*lines, status="HTTP/1.1 205 Reset Content")

    assert (0, b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n") == (response.length, response.head)


def test_205_with_a_body_is_refused() -> None:
    """Rule 33."""
    assert "205 with a body" == refusal("Content-Length: 5", status="HTTP/1.1 205 Reset Content")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Content-Length: 5", "Content-Length: 5"], "Content-Length is given twice"),
        (["Content-Length: 5, 5"], "Content-Length is not one decimal number"),
        (["Content-Length: -5"], "Content-Length is not one decimal number"),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], "both Content-Length and Transfer-Encoding"),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], "both Content-Length and Transfer-Encoding"),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "Transfer-Encoding is given twice"),
        (["Transfer-Encoding: gzip, chunked"], "Transfer-Encoding other than chunked"),
        (["X : y"], "header name is not a token"),
        (["X: y\x00"], "control character in a header value"),
        ([" folded"], "folded header line"),
    ],
)
def test_broken_framing_or_a_broken_line_is_the_origins_fault(lines: list[str], reason: str) -> None:
    """Rule 34: as strict as with a request."""
    assert reason == refusal(*lines)


def test_transfer_encoding_of_an_http_1_0_origin_is_refused() -> None:
    """Rules 18 and 34."""
    assert "Transfer-Encoding on HTTP/1.0" == refusal("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK")


def test_an_answer_of_100_fields_is_read() -> None:
    """Rule 12."""
    assert limits.HEADER_FIELDS_MAX == len(relayed(*(f"X-{n}: y" for n in range(limits.HEADER_FIELDS_MAX))))


def test_an_answer_of_101_fields_is_refused() -> None:
    """Rule 12."""
    assert "too many header fields in the response" == refusal(*(f"X-{n}: y" for n in range(limits.HEADER_FIELDS_MAX + 1)))


# -- fields -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "lines", "keeps"),
    [
        (1, [], True),
        (0, [], False),
        (0, ["Connection: Keep-Alive"], True),
        (1, ["Connection: Close"], False),
        (1, ["Connection: close", "Connection: keep-alive"], False),
        (1, ["Connection: keep-alive", "Connection: close"], False),
        (0, ["Connection: keep-alive, close"], False),
        (1, ["Connection: x"], True),
    ],
)
def test_a_connection_is_kept_unless_close_is_said_anywhere(minor: int, lines: list[str], keeps: bool) -> None:
    """RFC 9112 section 9.3: ``close`` wins, wherever it stands."""
    assert keeps is read(*lines, "Content-Length: 0", status=f"HTTP/1.{minor} 200 OK").keep_alive


def test_hop_by_hop_fields_are_not_relayed() -> None:
    """Rule 26."""
    lines = ["Connection: close", "Keep-Alive: timeout=5", "Proxy-Connection: x", "TE: x", "Trailer: x", "Upgrade: h2c"]

    assert ["X: y", "Server: z"] == relayed(*lines, "X: y", "X-Headgate-Version: v9", "Server: z")


def test_fields_that_connection_names_are_not_relayed() -> None:
    """Rule 26; what a client relies on cannot be named away."""
    lines = ["X-One: 1", "Connection: x-one, set-cookie", "Set-Cookie: a=b", "Connection: x-two", "x-two: 2"]

    assert ["Set-Cookie: a=b"] == relayed(*lines)


def test_an_underscore_in_a_response_field_is_relayed() -> None:
    """Rule 13 protects origins from clients; no client maps names to variables."""
    assert ["X_App: 1"] == relayed("X_App: 1")


@pytest.mark.parametrize(("lines", "dated"), [(["Date: now"], True), (["DATE: now"], True), ([], False)])
def test_an_answer_says_whether_its_origin_dated_it(lines: list[str], dated: bool) -> None:
    assert dated is read(*lines).has_date
    assert lines == relayed(*lines)


@pytest.mark.parametrize(
    ("line", "streams"),
    [
        (b"Content-Type: text/event-stream", True),
        (b"Content-Type: Text/Event-Stream; charset=utf-8", True),
        (b"content-type:text/event-stream", True),
        (b"CONTENT-TYPE: \t text/event-stream", True),
        (b"Content-Type: text/html", False),
        (b"Content-Type: text/html; was=text/event-stream", False),
        (b"X-Content-Type: text/event-stream", False),
    ],
)
def test_an_event_stream_is_known_by_its_media_type(line: bytes, streams: bool) -> None:
    assert is_event_stream(b"HTTP/1.1 200 OK\r\nA: b\r\n" + line + b"\r\nContent-Length: 5\r\n\r\n") is streams
