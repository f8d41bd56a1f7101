"""Two readers of every head: whatever ours takes, llhttp takes whole as well, and both see the same message.

Ours asks llhttp about parts only (start line, name, lines that matter), so this is what holds their agreement on the whole.
"""

from __future__ import annotations

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import DownstreamError, UpstreamError
from proxy.wire import request, response
from proxy.wire.headers import split_line

methods = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"DELETE", b"PROPFIND", b"M-SEARCH", b"get", b"FOO", b"SOURCE", b"PRI"]
)
targets = st.sampled_from(
    [
        b"/",
        b"/a/../b?c=d",
        b"*",
        b"http://shop/a",
        b"http://shop",
        b"http://shop?x",
        b"//a",
        b"/%2e%41",
        b"/a?b#c",
        b"/\x80",
        b"shop",
        b"/;",
    ]
)
versions = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"ICE/1.0", b""])
names = st.sampled_from(
    [
        b"Host",
        b"Content-Length",
        b"content-length",
        b"Transfer-Encoding",
        b"Connection",
        b"Upgrade",
        b"Expect",
        b"TE",
        b"Keep-Alive",
        b"X-Forwarded-For",
        b"Cookie",
        b"X-A",
        b"x_a",
        b"!#$%&'*+-.^_`|~",
        b"X A",
        b"",
        b"HTTP2-Settings",
        b"Trailer",
        b"Via",
    ]
)
values = st.one_of(
    st.sampled_from(
        [b"shop", b"5", b"0", b"05", b"5, 5", b"chunked", b"Chunked", b"gzip", b",chunked", b"close", b"keep-alive, x-a", b"h2c"]
    ),
    st.sampled_from(
        [b"upgrade", b"keep-alive", b"100-continue", b"trailers", b"", b" ", b"close, upgrade", b"Upgrade,close", b"clos", b"x"]
    ),
    st.binary(max_size=6),
)
colons = st.sampled_from([b": ", b": ", b": ", b":", b":\t ", b" : ", b""])
lines = st.lists(st.tuples(names, colons, values).map(b"".join), max_size=6)
starts = st.one_of(st.tuples(methods, targets, versions).map(b" ".join), st.just(b"GET / HTTP/1.1"), st.just(b"POST / HTTP/1.1"))
statuses = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 204 No Content",
            b"HTTP/1.1 304",
            b"HTTP/1.1 100 Continue",
            b"HTTP/1.1 205 R",
        ),
        *(b"HTTP/1.1 404 \x80", b"HTTP/1.2 200 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1  200 OK", b"ICY 200 OK", b"HTTP/1.1 200 a\tb"),
    ]
)
edits = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([b"", b" ", b"\t", b"\r", b"\n", b"\x00", b":", b"\x80", b",", b"a"])), max_size=2
)


def edited(head: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """``head`` with an octet replaced (or removed) at each offset that it has."""
    for at, octet in changes:
        if at < len(head):
            head = head[:at] + octet + head[at + 1 :]
    return head


class Seen:
    """What llhttp sees of one message; ``goes_on``: whether the connection may serve another one."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser
        self.goes_on = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.goes_on = self.parser.should_keep_alive()  # asked now: once the message is over, its fields are forgotten


def ours(parsed_lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [split_line(line) for line in parsed_lines if line]


def one_head(head: bytes) -> bool:
    """Whether the caller would have handed it over: it ends with its first empty line."""
    return head.find(b"\r\n\r\n") == len(head) - 4


@settings(max_examples=600)
@given(starts, st.sampled_from([[b"Host: shop"], [b"Host: shop"], []]), lines, edits)
def test_a_request_we_take_is_the_one_llhttp_sees(
    start: bytes, host: list[bytes], more: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    head = edited(b"\r\n".join([start, *host, *more, b"", b""]), changes)
    if not one_head(head):
        return
    try:
        taken = request.parse(head, request.Starts(), request.new_table())
    except DownstreamError:
        return
    seen = Seen()
    parser = seen.parser = httptools.HttpRequestParser(seen)
    upgrade = False
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        upgrade = True  # not a refusal: llhttp stops where another protocol could begin; ours lets none begin

    assert taken.method == parser.get_method()
    assert head.split(b" ")[1] == seen.url
    assert f"1.{taken.minor}" == parser.get_http_version()
    assert ours(taken.lines) == seen.fields
    assert not (taken.keep_alive and not upgrade and not seen.goes_on), "llhttp sees `close`"


@settings(max_examples=600)
@given(statuses, lines, edits)
def test_an_answer_we_take_is_the_one_llhttp_sees(status: bytes, more: list[bytes], changes: list[tuple[int, bytes]]) -> None:
    head = edited(b"\r\n".join([status, *more, b"", b""]), changes)
    if not one_head(head):
        return
    try:
        taken = response.parse(head, response.new_table(), response.Statuses(), head_request=False)
    except UpstreamError:
        return
    seen = Seen()
    parser = seen.parser = httptools.HttpResponseParser(seen)
    upgrade = False
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        upgrade = True

    assert taken.status == parser.get_status_code()
    assert ours(head.split(b"\r\n")[1:]) == seen.fields
    framed = taken.length != response.UNTIL_CLOSE  # without a length llhttp expects the connection's end, whatever is said
    assert not (taken.keep_alive and framed and not upgrade and not seen.goes_on), "llhttp sees `close`"


@settings(max_examples=300)
@given(starts, lines, edits)
def test_a_request_means_the_same_when_its_lines_were_seen_before(
    start: bytes, more: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    """Rule 23 for the tables: what is remembered changes neither what is refused nor what is read."""
    head = edited(b"\r\n".join([start, b"Host: shop", *more, b"", b""]), changes)
    tables = request.Starts(), request.new_table()

    assert read(head, *tables) == read(head, *tables) == read(head, request.Starts(), request.new_table())


def read(head: bytes, known: request.Starts, table: request.LineTable) -> tuple[object, ...]:
    """All that a head came to, or why it was refused."""
    try:
        taken = request.parse(head, known, table)
    except DownstreamError as error:
        return error.status, error.reason
    return taken.start.line, taken.rest, taken.length, taken.host, taken.keep_alive, taken.expect_continue, taken.forwarded_for
