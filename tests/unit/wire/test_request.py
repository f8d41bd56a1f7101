"""Rules 1-6, 12-18, 24 and 25 as a request head meets them; single field lines are in ``test_headers``."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.errors import DownstreamError
from proxy.wire.request import Request, Start, Starts, check_partial, new_table, parse


def read(*lines: str | bytes, start: str | bytes = "GET / HTTP/1.1", host: bool = True) -> Request:
    """A head of those field lines, parsed with tables that have seen nothing."""
    parts = [start, *(["Host: shop"] if host else []), *lines, "", ""]
    head = b"\r\n".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return parse(head, Starts(), new_table())


def sent(request: Request) -> bytes:
    """The part of the head that is forwarded as it came."""
    return request.start.line + request.rest + b"\r\n"


def refusal(*lines: str | bytes, start: str | bytes = "GET / HTTP/1.1", host: bool = True) -> tuple[int, str]:
    with pytest.raises(DownstreamError) as caught:
        read(*lines, start=start, host=host)
    return caught.value.status, caught.value.reason


# -- the start line -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "PROPFIND", "M-SEARCH"])
def test_a_method_is_forwarded_verbatim(method: str) -> None:
    """Rule 1."""
    request = read(start=f"{method} / HTTP/1.1")

    assert method.encode() == request.method
    assert sent(request).startswith(method.encode() + b" / HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["get", "GETX", "FOO", "G"])
def test_a_method_that_is_not_implemented_is_501(method: str) -> None:
    """Rule 1: never matched by prefix or without case."""
    assert (501, "method not implemented") == refusal(start=f"{method} / HTTP/1.1")


@pytest.mark.parametrize("method", ["", "G(T", "GE\tT", '"GET"', "G\x00T", "GÉT", "A" * (limits.METHOD_BYTES_MAX + 1)])
def test_a_method_that_is_no_bounded_token_is_refused(method: str) -> None:
    """Rule 1."""
    assert (400, "method is not a token") == refusal(start=f"{method} / HTTP/1.1")


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_connect_and_trace_are_not_allowed(method: str) -> None:
    """Rule 4."""
    assert (405, f"{method} is not allowed here") == refusal(start=f"{method} / HTTP/1.1")


@pytest.mark.parametrize(
    "line",
    [
        "GET /",
        "GET",
        "",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / a HTTP/1.1",
        "GET\t/\tHTTP/1.1",
    ],
)
def test_a_request_line_has_exactly_two_single_spaces(line: str) -> None:
    """Rule 2, HTTP/0.9 among it."""
    assert (400, "request line is not `method target version`") == refusal(start=line)


@pytest.mark.parametrize("version", ["HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0"])
def test_another_version_is_505(version: str) -> None:
    """Rule 2."""
    assert (505, "only HTTP/1.0 and HTTP/1.1 are served") == refusal(start=f"GET / {version}")


@pytest.mark.parametrize("version", ["http/1.1", "HTTP/1.", "HTTP/1.10", "HTTP/01.1", "HTTP1.1", "HTTPS/1.1", "ICE/1.0", "HTTP/1,1"])
def test_a_malformed_version_is_refused(version: str) -> None:
    """Rule 2."""
    assert (400, "malformed HTTP version") == refusal(start=f"GET / {version}")


@pytest.mark.parametrize("octet", [*range(0x20), 0x23, *range(0x7F, 0x100)])
def test_a_target_holds_visible_ascii_without_a_fragment(octet: int) -> None:
    """Rule 3; a space would make a fourth word."""
    line = b"GET /a" + bytes((octet,)) + b"b HTTP/1.1"

    with pytest.raises(DownstreamError) as caught:
        Start(line)

    assert (400, "illegal character in the request target") == (caught.value.status, caught.value.reason)


@pytest.mark.parametrize("target", ["*", "shop:80", "shop", "ftp://shop/", "http:/shop", "?a", ""])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    """Rule 4."""
    with pytest.raises(DownstreamError) as caught:
        read(start=f"GET {target} HTTP/1.1")

    assert 400 == caught.value.status


def test_an_asterisk_is_a_target_of_options() -> None:
    """Rule 4; it is routed as the root."""
    request = read(start="OPTIONS * HTTP/1.1")

    assert (b"/", b"", b"OPTIONS * HTTP/1.1") == (request.path, request.query, sent(request).partition(b"\r\n")[0])


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        ("http://shop/a?b=c", b"/a?b=c"),
        ("http://SHOP/a", b"/a"),
        ("HTTPS://shop/a", b"/a"),
        ("http://shop", b"/"),
        ("http://shop?b=c", b"/?b=c"),
        ("http://shop?b=/c", b"/?b=/c"),
    ],
)
def test_an_absolute_target_is_forwarded_as_a_path(target: str, forwarded: bytes) -> None:
    """Rules 4 and 5."""
    request = read(start=f"GET {target} HTTP/1.1")

    assert b"GET " + forwarded + b" HTTP/1.1\r\nHost: shop\r\n\r\n" == sent(request)
    assert (b"shop", b"shop") == (request.host, request.authority)


@pytest.mark.parametrize("target", ["http://other/", "http://shop:80/", "http://u@shop/", "http://shop.evil/"])
def test_an_absolute_target_that_differs_from_host_is_refused(target: str) -> None:
    """Rule 5: never routed on one and forwarded with the other."""
    assert (400, "Host differs from the request target's authority") == refusal(start=f"GET {target} HTTP/1.1")


@pytest.mark.parametrize("target", ["http:///a", "http://", "http://?a"])
def test_an_absolute_target_without_an_authority_is_refused(target: str) -> None:
    """Rule 5: RFC 9110 section 4.2.1 forbids an http URL with an empty host; servers differ on whom it names."""
    assert (400, "request target has no authority") == refusal(start=f"GET {target} HTTP/1.1")


def test_an_absolute_target_does_not_replace_a_missing_host() -> None:
    """Rule 6."""
    assert (400, "Host is missing") == refusal(start="GET http://shop/ HTTP/1.1", host=False)


def test_an_absolute_target_of_http_1_0_becomes_its_host() -> None:
    """Rule 5."""
    request = read("X-A: b", start="GET http://Shop:81/a HTTP/1.0", host=False)

    assert b"GET /a HTTP/1.1\r\nX-A: b\r\nHost: Shop:81\r\n\r\n" == sent(request)
    assert (b"shop", b"Shop:81") == (request.host, request.authority)


def test_an_absolute_target_of_http_1_0_must_name_a_valid_host() -> None:
    """Rule 6: userinfo is not part of one."""
    assert (400, "invalid Host") == refusal(start="GET http://u@shop/ HTTP/1.0", host=False)


def test_a_path_is_routed_on_and_forwarded_in_one_normalised_form() -> None:
    """Rule 42."""
    request = read(start="GET /a/./b/%2e%2e/%63?x=%2e%2e/ HTTP/1.1")

    assert (b"/a/c", b"x=%2e%2e/") == (request.path, request.query)
    assert b"GET /a/c?x=%2e%2e/ HTTP/1.1\r\nHost: shop\r\n\r\n" == sent(request)


def test_http_1_0_is_forwarded_as_http_1_1() -> None:
    """Rule 24."""
    request = read(start="GET / HTTP/1.0")

    assert (0, b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n") == (request.minor, sent(request))


def test_an_empty_query_keeps_its_mark() -> None:
    assert sent(read(start="GET /a? HTTP/1.1")).startswith(b"GET /a? HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_safe_and_repeatable_methods_are_idempotent(method: str) -> None:
    assert Start(f"{method} / HTTP/1.1".encode()).idempotent


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPPATCH"])
def test_other_methods_are_not_idempotent(method: str) -> None:
    assert not Start(f"{method} / HTTP/1.1".encode()).idempotent


def test_a_target_over_the_limit_is_414() -> None:
    """Rule 12."""
    target = "/" + "a" * limits.TARGET_BYTES_MAX

    assert (414, f"request target is over {limits.TARGET_BYTES_MAX} bytes") == refusal(start=f"GET {target} HTTP/1.1")


def test_a_target_at_the_limit_is_read() -> None:
    """Rule 12."""
    target = "/" + "a" * (limits.TARGET_BYTES_MAX - 1)

    assert target.encode() == read(start=f"GET {target} HTTP/1.1").path


# -- the table of start lines -------------------------------------------------------------------------------------------------


def test_a_start_line_is_read_once() -> None:
    starts = Starts()

    assert starts[b"GET /a HTTP/1.1"] is starts[b"GET /a HTTP/1.1"]


def test_a_long_start_line_is_not_remembered() -> None:
    starts = Starts()
    line = b"GET /" + b"a" * limits.LINE_TABLE_LINE_BYTES_MAX + b" HTTP/1.1"

    assert starts[line].path == line[4:-9]
    assert {} == starts


def test_a_refused_start_line_is_not_remembered() -> None:
    starts = Starts()

    with pytest.raises(DownstreamError):
        starts[b"GET / HTTP/2.0"]

    assert {} == starts


def test_the_table_of_start_lines_is_emptied_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "START_TABLE_ENTRIES_MAX", 3)
    starts = Starts()
    for number in range(4):
        starts[b"GET /%d HTTP/1.1" % number]

    assert [b"GET /3 HTTP/1.1"] == list(starts)


# -- a head that is not whole -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", [b"", b"\r", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: a\r", b"GET / HTTP/1.1\r\nHo"])
def test_what_can_still_become_a_head_is_awaited(buffer: bytes) -> None:
    check_partial(buffer, len(buffer))


@pytest.mark.parametrize(
    ("buffer", "status", "reason"),
    [
        (b"GET / HTTP/1.1\nHost: a\r\n", 400, "bare LF in the request head"),
        (b"\n", 400, "bare LF in the request head"),
        (b"\x16\x03\x01", 400, "this is not an HTTP request"),
        (b" GET / HTTP/1.1", 400, "this is not an HTTP request"),
        (b"GET /" + b"a" * (limits.TARGET_BYTES_MAX + 64), 414, f"request target is over {limits.TARGET_BYTES_MAX} bytes"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * limits.HEAD_BYTES_MAX, 431, f"request head is over {limits.HEAD_BYTES_MAX} bytes"),
    ],
)
def test_what_can_no_longer_become_a_head_is_refused_at_once(buffer: bytes, status: int, reason: str) -> None:
    """Rules 7 and 12: a client that never ends its head gets its answer before the time-out."""
    with pytest.raises(DownstreamError) as caught:
        check_partial(buffer, len(buffer))

    assert (status, reason) == (caught.value.status, caught.value.reason)


@pytest.mark.parametrize(("before", "fresh"), [(b"GET / HTTP/1.1", b"\n"), (b"GET / HTTP/1.1\r\n", b"\n"), (b"A: b\r\nC", b": d\ne")])
def test_a_bare_lf_is_found_among_the_new_bytes(before: bytes, fresh: bytes) -> None:
    """Rule 7."""
    with pytest.raises(DownstreamError, match="bare LF"):
        check_partial(before + fresh, len(fresh))


def test_bytes_that_have_passed_are_not_looked_at_again() -> None:
    check_partial(b"GET / HTTP/1.1\nHost: a", 3)


def test_no_prefix_of_an_accepted_head_is_refused_early() -> None:
    head = b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\nX: \ty\r\n\r\n"

    for end in range(len(head)):
        check_partial(head[:end], 1)
