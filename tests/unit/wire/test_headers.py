"""Rules 6, 8-11, 13-15, 17 and 26 on single lines, and the table that remembers them."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.wire.headers import (
    REQUEST_KINDS,
    RESPONSE_KINDS,
    BadLine,
    Field,
    Kind,
    LineTable,
    classify,
    cookie_reader,
    find,
    find_all,
    list_members,
    parse_host,
    parse_length,
    split_line,
)


def learn(line: bytes) -> Field | None:
    return LineTable(REQUEST_KINDS).lookup(line)


def refusal(line: bytes) -> tuple[int, str]:
    with pytest.raises(BadLine) as caught:
        learn(line)
    return caught.value.status, caught.value.reason


# -- one line -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"X-A: b", (b"x-a", b"b")),
        (b"x-a:b", (b"x-a", b"b")),
        (b"X:", (b"x", b"")),
        (b"X: \t a b \t ", (b"x", b"a b")),
        (b"X: a:b", (b"x", b"a:b")),
        (b"!#$%&'*+-.^_`|~09: a", (b"!#$%&'*+-.^_`|~09", b"a")),
        (b"X: \xa0\x85", (b"x", b"\xa0\x85")),
    ],
)
def test_a_line_is_split_into_name_and_value(line: bytes, parts: tuple[bytes, bytes]) -> None:
    """Rule 11: only SP and HTAB are trimmed, never a byte that text calls a space."""
    assert parts == split_line(line)


@pytest.mark.parametrize("line", [b" X: a", b"\tX: a", b" ", b"\t"])
def test_a_folded_line_is_refused(line: bytes) -> None:
    """Rule 9."""
    assert (400, "folded header line") == refusal(line)


@pytest.mark.parametrize("line", [b"X", b"Host", b"\x00", b"X y"])
def test_a_line_without_a_colon_is_refused(line: bytes) -> None:
    """Rule 10."""
    assert (400, "header line without a colon") == refusal(line)


@pytest.mark.parametrize("line", [b": a", b"X : a", b"X\t: a", b"X Y: a", b"X\x00: a", b"\xc3\xa9: a", b"(X): a", b"X/Y: a", b'"X": a'])
def test_a_name_that_is_no_token_is_refused(line: bytes) -> None:
    """Rule 10."""
    assert (400, "header name is not a token") == refusal(line)


@pytest.mark.parametrize("octet", [*(c for c in range(0x20) if c != 0x09), 0x7F])
@pytest.mark.parametrize("form", [b"X: a%cb", b"X:%cb", b"X: a%c"])
def test_a_control_in_a_value_is_refused(form: bytes, octet: int) -> None:
    """Rules 7, 8 and 11: a bare CR or LF among them."""
    assert (400, "control character in a header value") == refusal(form % octet)


def test_a_control_is_refused_under_a_name_seen_before() -> None:
    """Rule 11."""
    table = LineTable(REQUEST_KINDS)
    table.lookup(b"X: a")

    with pytest.raises(BadLine, match="control character"):
        table.lookup(b"X: a\x00")


def test_a_line_without_a_colon_is_refused_under_a_name_seen_before() -> None:
    """Rule 10."""
    table = LineTable(REQUEST_KINDS)
    table.lookup(b"X: a")

    with pytest.raises(BadLine, match="without a colon"):
        table.lookup(b"X")


def test_the_second_reader_may_refuse_what_ours_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.wire.gate.line_passes", lambda line: False)

    assert (400, "malformed header name") == refusal(b"X: a")
    assert (400, "malformed header line") == refusal(b"Connection: a")


def test_obsolete_text_and_tabs_in_a_value_are_taken() -> None:
    """Rule 11."""
    assert learn(b"X: a\tb\x80\xff") is None


# -- values -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"Shop.Example", b"shop.example"),
        (b"shop:80", b"shop"),
        (b"shop:65535", b"shop"),
        (b"127.0.0.1:8080", b"127.0.0.1"),
        (b"[::1]", b"[::1]"),
        (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
        (b"my_shop~a", b"my_shop~a"),
    ],
)
def test_a_host_is_routed_on_in_lower_case_without_port(value: bytes, key: bytes) -> None:
    """Rule 6."""
    assert key == parse_host(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a b",
        b"a,b",
        b"u@a",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a:",
        b"a:b",
        b"a:65536",
        b"a:123456",
        b":80",
        b"[]",
        b"[::1",
        b"::1",
        b"[::1]80",
        b"a\x00b",
        b"a\n",
        b"a\xa0",
        b"a%20b",
        b"[v1.a]",
        b"a" * 256,
    ],
)
def test_a_host_that_could_be_read_in_two_ways_is_refused(value: bytes) -> None:
    """Rule 6."""
    with pytest.raises(BadLine, match="invalid Host"):
        parse_host(value)


@pytest.mark.parametrize(
    ("value", "length"), [(b"0", 0), (b"5", 5), (b"005", 5), (b"9" * limits.CONTENT_LENGTH_DIGITS_MAX, 10**18 - 1)]
)
def test_a_length_is_a_decimal_number(value: bytes, length: int) -> None:
    """Rule 14."""
    assert length == parse_length(value)


@pytest.mark.parametrize(
    "value", [b"", b"+5", b"-5", b"5_0", b"0x5", b"5.0", b"5 5", b"5,5", b"5, 5", b"a", b"\xb2", "٥".encode(), b"5\n", b"1" * 19]
)
def test_a_length_that_is_anything_else_is_refused(value: bytes) -> None:
    """Rules 14 and 15."""
    with pytest.raises(BadLine, match="not one decimal number"):
        parse_length(value)


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", set()),
        (b"a", {b"a"}),
        (b"A ,\tb,c", {b"a", b"b", b"c"}),
        (b", a,, ,b ,", {b"a", b"b"}),
        (b"a,a", {b"a"}),
        (b"a b", {b"a b"}),
    ],
)
def test_a_list_is_split_at_commas(value: bytes, members: set[bytes]) -> None:
    assert members == list_members(value)


@pytest.mark.parametrize("value", [b"gzip", b"x-gzip", b"br", b"xchunked"])
def test_a_coding_we_do_not_know_is_501(value: bytes) -> None:
    """Rule 17."""
    assert (501, "Transfer-Encoding other than chunked") == refusal(b"Transfer-Encoding: " + value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"identity",
        b"Identity",
        b",chunked",
        b"chunked,",
        b"chunked, chunked",
        b"gzip, chunked",
        b"chunked;a",
        b"chunked x",
        b'"chunked"',
        b"\xa0chunked",
        b"chunked\x85",
    ],
)
def test_a_disguised_transfer_coding_is_refused(value: bytes) -> None:
    """Rule 17."""
    assert (400, "Transfer-Encoding other than chunked") == refusal(b"Transfer-Encoding: " + value)


# -- kinds --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), REQUEST_KINDS.items())
def test_every_special_name_of_a_request_has_its_kind_in_any_case(name: bytes, kind: int) -> None:
    value = {Kind.CONTENT_LENGTH: b"5", Kind.TRANSFER_ENCODING: b"chunked", Kind.LOGIN: b"NTLM", Kind.CHALLENGE: b"NTLM"}.get(
        kind, b"a"
    )
    field = learn(name.upper() + b": " + value)

    assert field is not None
    assert (kind, name, value) == (field.kind, field.name, field.value)


@pytest.mark.parametrize(("name", "kind"), RESPONSE_KINDS.items())
def test_every_special_name_of_a_response_has_its_kind_in_any_case(name: bytes, kind: int) -> None:
    value = {Kind.CONTENT_LENGTH: b"5", Kind.TRANSFER_ENCODING: b"chunked", Kind.LOGIN: b"NTLM", Kind.CHALLENGE: b"NTLM"}.get(
        kind, b"a"
    )
    field = LineTable(RESPONSE_KINDS).lookup(name.title() + b": " + value)

    assert field is not None
    assert (kind, name, value) == (field.kind, field.name, field.value)


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"x_a", b"Content_Length", b"_", b"X-Real_IP"])
def test_a_request_field_with_an_underscore_is_dropped(name: bytes) -> None:
    """Rule 13: it would be read as the field with a hyphen."""
    field = learn(name + b": 1")

    assert field is not None
    assert Kind.DROP == field.kind


def test_a_field_says_what_its_kind_needs() -> None:
    assert 5 == classify(Kind.CONTENT_LENGTH, b"", b"", b"5").number
    assert b"shop" == classify(Kind.HOST, b"", b"", b"Shop:1").key
    assert {b"a", b"b"} == classify(Kind.CONNECTION, b"", b"", b"A, b").names
    assert {b"trailers"} == classify(Kind.TE, b"", b"", b"trailers").names
    assert (-1, b"", frozenset()) == ((plain := classify(Kind.VIA, b"", b"", b"5")).number, plain.key, plain.names)


def test_a_field_is_taken_out_as_a_whole_line_once() -> None:
    head = b"GET / HTTP/1.1\r\nXX: a\r\nX: a b\r\nX: a\r\nX: a\r\n\r\n"

    assert b"GET / HTTP/1.1\r\nXX: a\r\nX: a b\r\nX: a\r\n\r\n" == Field(Kind.DROP, b"X: a", b"x", b"a").taken_out(head)


def test_a_field_is_replaced_in_its_place() -> None:
    head = b"GET / HTTP/1.1\r\nA: 1\r\nX: a\r\nB: 2\r\n\r\n"

    assert b"GET / HTTP/1.1\r\nA: 1\r\nY: b\r\nB: 2\r\n\r\n" == Field(Kind.DROP, b"X: a", b"x", b"a").replaced(head, b"Y: b")


# -- looking through lines ----------------------------------------------------------------------------------------------------

LINES = [b"Host: a", b"X-A:1", b"x-a: 2 ", b"X-AB: 3", b"X: 4", b"X-Empty:", b""]


@pytest.mark.parametrize(
    ("name", "value"), [(b"x-a", b"1"), (b"x-ab", b"3"), (b"x", b"4"), (b"x-empty", b""), (b"y", None), (b"hos", None)]
)
def test_the_first_value_of_a_name_is_found(name: bytes, value: bytes | None) -> None:
    assert value == find(LINES, name)


@pytest.mark.parametrize(("name", "values"), [(b"x-a", [b"1", b"2"]), (b"x", [b"4"]), (b"y", [])])
def test_all_values_of_a_name_are_found_in_order(name: bytes, values: list[bytes]) -> None:
    assert values == find_all(LINES, name)


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"Cookie: session=a"], b"a"),
        ([b"cookie:x=1; session=a;y=2"], b"a"),
        ([b"Cookie: x=1", b"COOKIE: session=a"], b"a"),
        ([b"Cookie: session=a; session=b"], b"a"),
        ([b"Cookie: session=a=b"], b"a=b"),
        ([b'Cookie: session="a"'], b'"a"'),
        ([b"Cookie: session="], None),
        ([b"Cookie: session"], None),
        ([b"Cookie: Session=a"], None),
        ([b"Cookie: xsession=a; sessions=b"], None),
        ([b"Cookie:"], None),
        ([b"Set-Cookie: session=a", b"X: session=a"], None),
        ([b"X: y\tCookie: session=a"], None),
        ([b"Cookie: x session=a; session=b"], b"b"),
        ([b"Cookie: session =a;\t session=b \t;session=c"], b"b"),
        ([b"Cookie: session=; session=a"], None),
        ([b"Cookie: ;;session=a"], b"a"),
        ([], None),
    ],
)
def test_a_cookie_is_found_by_its_exact_name(lines: list[bytes], value: bytes | None) -> None:
    assert value == cookie_reader(b"session")(b"".join(b"\r\n" + line for line in lines) + b"\r\n")


def test_a_cookie_s_name_may_hold_what_means_something_to_a_pattern() -> None:
    assert b"a" == cookie_reader(b"s.$+|^*")(b"\r\nCookie: sx$+|^*=b; s.$+|^*=a\r\n")


def test_a_long_cookie_is_read_in_time() -> None:
    """A pattern that tried every way of parting it would never end."""
    fields = b"\r\nCookie: " + b" \t; =" * 12_000 + b"\r\n"

    assert cookie_reader(b"session")(fields) is None
