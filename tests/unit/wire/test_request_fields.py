"""What the fields of a request head mean together: Host, framing, connection, expectation, forwarding (rules 5, 6, 12-18, 24-26)."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.errors import DownstreamError
from proxy.wire.request import Request, Starts, new_table, parse


def read(*lines: str, start: str = "POST / HTTP/1.1", host: str = "Host: shop\r\n") -> Request:
    """A head of those field lines, parsed with tables that have seen nothing."""
    head = f"{start}\r\n{host}" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return parse(head.encode("latin-1"), Starts(), new_table())


def sent(request: Request) -> bytes:
    """The part of the head that is forwarded as it came."""
    return request.start.line + request.rest + b"\r\n"


def refusal(*lines: str, start: str = "POST / HTTP/1.1", host: str = "Host: shop\r\n") -> tuple[int, str]:
    with pytest.raises(DownstreamError) as caught:
        read(*lines, start=start, host=host)
    return caught.value.status, caught.value.reason


def forwarded(*lines: str, start: str = "POST / HTTP/1.1") -> list[str]:
    """The field lines that may be forwarded, without Host."""
    head = sent(read(*lines, start=start)).decode("latin-1")
    assert head.endswith("\r\n\r\n")
    return head[:-4].split("\r\n")[2:]


# -- Host ---------------------------------------------------------------------------------------------------------------------


def test_host_is_forwarded_as_it_stands_and_routed_on_in_lower_case_without_port() -> None:
    """Rule 6."""
    request = read(host="hOsT:  Shop.Example:8080 \r\n")

    assert (b"shop.example", b"Shop.Example:8080") == (request.host, request.authority)
    assert b"POST / HTTP/1.1\r\nhOsT:  Shop.Example:8080 \r\n\r\n" == sent(request)


def test_http_1_1_without_host_is_refused() -> None:
    """Rule 6."""
    assert (400, "Host is missing") == refusal(host="")


def test_http_1_0_without_host_is_read() -> None:
    request = read(start="GET / HTTP/1.0", host="")

    assert (b"", b"", b"GET / HTTP/1.1\r\n\r\n") == (request.host, request.authority, sent(request))


@pytest.mark.parametrize("second", ["Host: shop", "host: other", "HOST:shop"])
def test_two_hosts_are_refused_even_when_they_agree(second: str) -> None:
    """Rule 6."""
    assert (400, "Host is given twice") == refusal(second)


@pytest.mark.parametrize(
    "value", ["", "a b", "a,b", "u@a", "a/b", "a:b", "a:", "a:99999", "a:+80", "[::1", "::1", "a%41", "[::1]x", "ä"]
)
def test_an_invalid_host_is_refused(value: str) -> None:
    """Rule 6."""
    assert (400, "invalid Host") == refusal(host=f"Host: {value}\r\n")


# -- framing ------------------------------------------------------------------------------------------------------------------


def test_a_request_without_framing_has_no_body() -> None:
    assert 0 == read().length


def test_content_length_is_read_and_written_anew_by_us() -> None:
    """Rules 14 and 24."""
    assert 12 == read("Content-Length: 012").length
    assert ["X: y"] == forwarded("Content-Length: 012", "X: y")


@pytest.mark.parametrize("value", ["0", "000"])
def test_an_explicit_length_of_zero_is_forwarded(value: str) -> None:
    """RFC 9110 section 8.6: an origin may insist on a length (411) where the method wants a body."""
    assert 0 == read(f"Content-Length: {value}").length
    assert ["X: y", "Content-Length: 0"] == forwarded(f"Content-Length: {value}", "X: y")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_body_is_read_whatever_the_method(method: str) -> None:
    """Rule 25: its bytes can never be taken for the next request."""
    assert 5 == read("Content-Length: 5", start=f"{method} / HTTP/1.1").length


@pytest.mark.parametrize("second", ["Content-Length: 5", "content-length: 6", "Content-Length: 0"])
@pytest.mark.parametrize("first", ["5", "0"])
def test_two_lengths_are_refused_even_when_they_agree(first: str, second: str) -> None:
    """Rule 15."""
    assert (400, "Content-Length is given twice") == refusal(f"Content-Length: {first}", second)


@pytest.mark.parametrize("value", ["chunked", "Chunked", "CHUNKED", "\tchunked "])
def test_chunked_is_the_one_transfer_coding(value: str) -> None:
    """Rules 17 and 24."""
    assert -1 == read(f"Transfer-Encoding: {value}").length
    assert [] == forwarded(f"Transfer-Encoding: {value}")


@pytest.mark.parametrize("length", ["5", "0"])
def test_a_length_beside_chunked_is_refused_in_either_order(length: str) -> None:
    """Rule 16."""
    lines = (f"Content-Length: {length}", "Transfer-Encoding: chunked")

    assert (400, "both Content-Length and Transfer-Encoding") == refusal(*lines)
    assert (400, "both Content-Length and Transfer-Encoding") == refusal(*reversed(lines))


def test_transfer_encoding_twice_is_refused() -> None:
    """Rule 17."""
    assert (400, "Transfer-Encoding is given twice") == refusal("Transfer-Encoding: chunked", "transfer-encoding: chunked")


def test_transfer_encoding_on_http_1_0_is_refused() -> None:
    """Rule 18."""
    assert (400, "Transfer-Encoding on HTTP/1.0") == refusal("Transfer-Encoding: chunked", start="POST / HTTP/1.0")


def test_a_head_of_100_fields_is_read() -> None:
    """Rule 12."""
    assert 99 == len(forwarded(*(f"X-{n}: y" for n in range(limits.HEADER_FIELDS_MAX - 1))))


def test_a_head_of_101_fields_is_431() -> None:
    """Rule 12."""
    lines = [f"X-{n}: y" for n in range(limits.HEADER_FIELDS_MAX)]

    assert (431, f"more than {limits.HEADER_FIELDS_MAX} header fields") == refusal(*lines)


def test_a_bad_line_is_refused_with_its_own_status() -> None:
    """Rule 17."""
    assert (501, "Transfer-Encoding other than chunked") == refusal("Transfer-Encoding: gzip")


# -- connection ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "lines", "keeps"),
    [
        (1, [], True),
        (0, [], False),
        (1, ["Connection: close"], False),
        (0, ["Connection: keep-alive"], True),
        (0, ["Connection: Keep-Alive"], True),
        (1, ["Connection: x, CLOSE"], False),
        (1, ["Connection: keep-alive, close"], False),
        (1, ["Connection: close", "Connection: keep-alive"], False),
        (1, ["Connection: keep-alive", "Connection: close"], False),
        (0, ["Connection: close", "Connection: keep-alive"], False),
        (1, ["Connection: closed"], True),
        (1, ["Connection:"], True),
    ],
)
def test_a_connection_goes_on_unless_close_is_said_anywhere(minor: int, lines: list[str], keeps: bool) -> None:
    """RFC 9112 section 9.3: ``close`` wins, wherever it stands."""
    assert keeps is read(*lines, start=f"GET / HTTP/1.{minor}").keep_alive


def test_hop_by_hop_fields_are_not_forwarded() -> None:
    """Rule 26."""
    lines = ["Connection: keep-alive", "Keep-Alive: 5", "Proxy-Connection: x", "TE: gzip", "Trailer: x", "Upgrade: h2c"]

    assert ["X: y"] == forwarded(*lines, "X: y", "HTTP2-Settings: a", "Proxy: evil", "X-Headgate-Shadow: 1")


@pytest.mark.parametrize(("line", "is_copy"), [("X-Headgate-Shadow: 1", True), ("x-headgate-shadow:", True), ("X-Shadow: 1", False)])
def test_a_copy_is_known_by_its_mark(line: str, is_copy: bool) -> None:
    assert is_copy is read(line).shadow


def test_fields_that_connection_names_are_not_forwarded() -> None:
    """Rule 26."""
    lines = ["X-One: 1", "Connection: x-one, X-TWO", "x-two: 2", "X-Three: 3", "X-ONE: 4", "Connection: x-three"]

    assert ["X-Four: 4"] == forwarded(*lines, "X-Four: 4")


def test_connection_cannot_delete_what_routing_and_identity_stand_on() -> None:
    """Rule 26."""
    lines = ["Authorization: a", "Cookie: b=c", "Cache-Control: no-store", "Content-Type: a/b", "traceparent: 00-1"]
    names = ", ".join(line.partition(":")[0] for line in lines)

    assert lines == forwarded(f"Connection: {names}, host, content-length", *lines)


def test_lines_keep_every_field_as_it_was_received() -> None:
    """Routing looks at what the client said, dropped or not."""
    assert [b"Host: shop", b"Connection: x-a", b"X-A: 1", b""] == read("Connection: x-a", "X-A: 1").lines[:4]


def test_equal_lines_are_each_forwarded() -> None:
    assert ["X: y", "X: z", "X: y"] == forwarded("X: y", "Connection: close", "X: z", "X: y", "Connection: close")


@pytest.mark.parametrize(("value", "wanted"), [("trailers", True), ("gzip, Trailers", True), ("gzip", False), ("", False)])
def test_only_trailers_is_understood_of_te(value: str, wanted: bool) -> None:
    """Rules 22 and 26."""
    assert wanted is read(f"TE: {value}").te_trailers


# -- expectation --------------------------------------------------------------------------------------------------------------


def test_an_expectation_of_100_is_ours_to_pass_on() -> None:
    """Rule 31."""
    assert read("Content-Length: 5", "Expect: 100-Continue").expect_continue
    assert [] == forwarded("Content-Length: 5", "Expect: 100-continue")


def test_an_expectation_without_a_body_is_dropped() -> None:
    """Rule 31."""
    assert not read("Expect: 100-continue").expect_continue


@pytest.mark.parametrize("lines", [["Expect: x"], ["Expect: x", "Expect: 100-continue"], ["Expect: 100-continue", "Expect: x"]])
def test_an_unknown_expectation_is_417(lines: list[str]) -> None:
    """Rule 31: an expectation that cannot be met is refused, whatever stands beside it."""
    assert (417, "unknown expectation") == refusal("Content-Length: 5", *lines)


def test_an_expectation_of_http_1_0_is_ignored() -> None:
    """RFC 9110 section 10.1.1."""
    assert not read("Content-Length: 5", "Expect: x", start="POST / HTTP/1.0").expect_continue


# -- forwarding ---------------------------------------------------------------------------------------------------------------


def test_forwarding_fields_are_taken_out_and_kept_apart() -> None:
    """Rule 27: whom to believe is decided where the peer is known."""
    lines = ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 5.6.7.8, 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: a"]
    request = read(*lines, "Forwarded: for=1.2.3.4", "X-Request-Id: 7", "Via: 1.1 one", "Via: 1.1 two")

    assert (b"1.2.3.4", b"5.6.7.8, 9.9.9.9") == request.forwarded_for
    assert (b"https", b"a") == (request.forwarded_proto, request.forwarded_host)
    assert (b"Forwarded: for=1.2.3.4",) == request.forwarded
    assert (b"7", b"1.1 one, 1.1 two") == (request.request_id, request.via)
    assert b"POST / HTTP/1.1\r\nHost: shop\r\n\r\n" == sent(request)


def test_a_request_holds_nothing_of_the_one_before() -> None:
    starts, table = Starts(), new_table()
    parse(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTE: trailers\r\nVia: x\r\n\r\n", starts, table)

    second = parse(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", starts, table)

    assert (0, False, b"", True) == (second.length, second.te_trailers, second.via, second.keep_alive)


# -- the next request with the same fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "lines", "repeats"),
    [
        ("GET /a HTTP/1.1", ["Accept: a"], True),
        ("POST /a HTTP/1.1", ["Content-Length: 0"], True),
        ("GET /a HTTP/1.0", [], False),
        ("GET http://shop/a HTTP/1.1", [], False),
    ],
)
def test_fields_mean_the_same_again_unless_the_start_line_had_a_part_in_it(start: str, lines: list[str], repeats: bool) -> None:
    """Rules 5 and 18: an authority and a version belong to one request."""
    assert repeats is read(*lines, start=start).repeats


def test_a_request_again_is_what_its_head_would_have_been_read_as() -> None:
    lines = ["Accept: a", "Cookie: b=c", "X-Forwarded-For: 1.2.3.4", "Connection: x-a", "X-A: 1"]
    starts = Starts()
    again = read(*lines, start="GET /a HTTP/1.1")
    again.again(starts[b"DELETE /b/../c?d HTTP/1.1"])
    fresh = read(*lines, start="DELETE /b/../c?d HTTP/1.1")

    assert sent(fresh) == sent(again)
    for name in ("method", "path", "query", "minor", "host", "authority", "lines", "length", "keep_alive", "forwarded_for", "plain"):
        assert getattr(fresh, name) == getattr(again, name), name


@pytest.mark.parametrize(
    ("lines", "plain"),
    [
        ([], True),
        (["Accept: a", "Connection: close"], True),
        (["Via: a"], False),
        (["TE: trailers"], False),
        (["Content-Length: 5"], False),
    ],
)
def test_a_plain_request_calls_for_no_lines_of_its_own(lines: list[str], plain: bool) -> None:
    assert plain is read(*lines).plain


def test_a_request_without_host_is_not_plain() -> None:
    assert not read(start="GET / HTTP/1.0", host="").plain
