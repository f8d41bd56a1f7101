"""A request head: from bytes to a decision, or a refusal that says why.

Facts. RFC 9112 section 3: method SP target SP version CRLF. Section 6.3: Transfer-Encoding with Content-Length is how smuggling
starts; both, either twice, or anything but a single ``chunked`` is refused here and the connection closed (rules 14-18). Section 3.2:
exactly one Host on 1.1 (rule 6). Knows nothing of routes, trust or sockets.
"""

from __future__ import annotations

import re
from typing import Final

from proxy import limits
from proxy.errors import DownstreamError
from proxy.wire import target as targets
from proxy.wire.gate import RequestGate
from proxy.wire.headers import (
    REQUEST_KINDS,
    UNNOMINATABLE,
    BadLine,
    Field,
    Kind,
    LineTable,
    parse_host,
)

SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
IDEMPOTENT: Final = SAFE | {b"PUT", b"DELETE"}

_METHOD = re.compile(rb"[!#$%%&'*+\-.^_`|~0-9A-Za-z]{1,%d}" % limits.METHOD_BYTES_MAX)
_KNOWN_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_CONNECTION_WORDS: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings", b"proxy-connection"))
_NO_NAMES: Final[frozenset[bytes]] = frozenset()


class Request:
    """One parsed head. Bytes as received but for ``path`` and ``target`` (normalised) and ``host`` (the routing key).

    ``lines`` are the end-to-end field lines in order, validated, without framing, hop-by-hop and forwarding fields.
    ``length`` is the body's size in bytes, 0 without one, -1 when it is chunked.
    """

    __slots__ = (
        "authority",
        "expect_continue",
        "forwarded",
        "forwarded_for",
        "forwarded_host",
        "forwarded_proto",
        "host",
        "keep_alive",
        "length",
        "lines",
        "method",
        "minor",
        "path",
        "query",
        "request_id",
        "start_line",
        "target",
        "te_trailers",
        "via",
    )

    method: bytes
    target: bytes
    path: bytes
    query: bytes
    start_line: bytes
    lines: list[bytes]

    def __init__(self) -> None:
        self.minor = 1
        self.length = 0
        self.keep_alive = True
        self.expect_continue = False
        self.te_trailers = False
        self.host = b""
        self.authority = b""
        self.forwarded_for: list[bytes] | None = None
        self.forwarded_proto = b""
        self.forwarded_host = b""
        self.forwarded: list[bytes] | None = None
        self.request_id = b""
        self.via = b""


def parse(head: bytes, table: LineTable, gate: RequestGate) -> Request:
    """Read one head, from its first byte to the empty line's CRLF. Raises DownstreamError; its connection is not to be read again."""
    lines = head.split(b"\r\n")
    if len(lines) - 3 > limits.HEADER_FIELDS_MAX:
        raise DownstreamError(431, f"more than {limits.HEADER_FIELDS_MAX} header fields")
    start_line = lines[0]
    del lines[0], lines[-2:]
    request = Request()
    _read_start_line(request, start_line)
    request.lines = lines
    try:
        _read_fields(request, table.special(lines))
        if not request.host:
            if request.minor:
                raise BadLine("Host is missing")
            if request.authority:
                request.host = parse_host(request.authority)
    except BadLine as error:
        raise DownstreamError(error.status, error.reason) from None
    gate.check(head, body_follows=request.length != 0)
    return request


def _read_start_line(request: Request, line: bytes) -> None:
    """Rules 1-4, 12: three words parted by single spaces."""
    words = line.split(b" ")
    if len(words) != 3:
        raise DownstreamError(400, "request line is not `method target version`")
    method, target, version = words
    if method not in _KNOWN_METHODS:
        _check_rare_method(method)
    if version != b"HTTP/1.1":
        if version != b"HTTP/1.0":
            raise _bad_version(version)
        request.minor = 0
        request.keep_alive = False
    if len(target) > limits.TARGET_BYTES_MAX:
        raise DownstreamError(414, f"request target is over {limits.TARGET_BYTES_MAX} bytes")
    if target.translate(None, targets.LEGAL):
        raise DownstreamError(400, "illegal character in the request target")
    request.method = method
    if target[:1] == b"/":
        sent = target
    elif target == b"*" and method == b"OPTIONS":
        request.target, request.path, request.query = target, b"/", b""
        request.start_line = line if request.minor else method + b" * HTTP/1.1"
        return
    else:
        request.authority, sent = targets.split_absolute(target)
    path, mark, query = sent.partition(b"?")
    normal = targets.normalise(path) if b"%" in path or b"/." in path or b"\\" in path else path
    request.path, request.query = normal, query
    request.target = sent if normal is path else normal + mark + query
    if request.target is target and request.minor:
        request.start_line = line
    else:
        request.start_line = b"%b %b HTTP/1.1" % (method, request.target)


def _check_rare_method(method: bytes) -> None:
    if _METHOD.fullmatch(method) is None:
        raise DownstreamError(400, "method is not a token")
    if method == b"CONNECT" or method == b"TRACE":
        raise DownstreamError(405, f"{method.decode()} is not allowed here")


def _bad_version(version: bytes) -> DownstreamError:
    if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        return DownstreamError(505, "only HTTP/1.0 and HTTP/1.1 are served")
    return DownstreamError(400, "malformed HTTP version")


def _read_fields(request: Request, special: list[Field]) -> None:
    """Apply the fields that matter, in order, and take out of ``lines`` those that are ours to make anew."""
    lines = request.lines
    chunked = False
    counted = False
    host = False
    expectation: Field | None = None
    nominated = _NO_NAMES
    for field in special:
        kind = field.kind
        if kind == Kind.HOST:
            if host:
                raise BadLine("Host is given twice")
            host = True
            _read_host(request, field)
            continue  # the one special line that is forwarded as it stands
        lines.remove(field.line)
        if kind == Kind.CONNECTION:
            names = field.names
            if b"close" in names:
                request.keep_alive = False
            elif not request.minor and b"keep-alive" in names:
                request.keep_alive = True
            nominated |= names - _CONNECTION_WORDS - UNNOMINATABLE
        elif kind == Kind.CONTENT_LENGTH:
            if counted:
                raise BadLine("Content-Length is given twice")
            counted = True
            request.length = field.number
        elif kind == Kind.TRANSFER_ENCODING:
            if chunked:
                raise BadLine("Transfer-Encoding is given twice")
            chunked = True
        elif kind == Kind.EXPECT:
            expectation = field
        elif kind == Kind.TE:
            request.te_trailers = b"trailers" in field.names
        else:
            _read_forwarding(request, field)
    if chunked:
        if counted:
            raise BadLine("both Content-Length and Transfer-Encoding")
        if not request.minor:
            raise BadLine("Transfer-Encoding on HTTP/1.0")
        request.length = -1
    if expectation is not None and request.minor:  # RFC 9110 section 10.1.1: ignored on 1.0
        if expectation.value.lower() != b"100-continue":
            raise BadLine("unknown expectation", 417)
        request.expect_continue = request.length != 0
    if nominated:
        request.lines = [x for x in lines if x[: x.index(b":")].lower() not in nominated]


def _read_host(request: Request, field: Field) -> None:
    """Rule 5: an absolute-form target and Host must name the same authority; routing on one and forwarding the other is a hole."""
    if request.authority and request.authority.lower() != field.value.lower():
        raise BadLine("Host differs from the request target's authority")
    request.authority = field.value
    request.host = field.key


def _read_forwarding(request: Request, field: Field) -> None:
    kind = field.kind
    if kind == Kind.FORWARDED_FOR:
        if request.forwarded_for is None:
            request.forwarded_for = []
        request.forwarded_for.append(field.value)
    elif kind == Kind.FORWARDED_PROTO:
        request.forwarded_proto = field.value
    elif kind == Kind.FORWARDED_HOST:
        request.forwarded_host = field.value
    elif kind == Kind.FORWARDED:
        if request.forwarded is None:
            request.forwarded = []
        request.forwarded.append(field.line)
    elif kind == Kind.REQUEST_ID:
        request.request_id = field.value
    elif kind == Kind.VIA:
        request.via = request.via + b", " + field.value if request.via else field.value


def new_table() -> LineTable:
    """The line table of a worker's requests."""
    return LineTable(REQUEST_KINDS)


def check_partial(buffer: bytes) -> None:
    """Refuse early what can no longer become a head: a bare LF, controls where a method should be, or too many bytes.

    A head is judged whole, so without this a client that never sends CRLF CRLF would wait for the time-out instead of its answer.
    """
    if len(buffer) > limits.HEAD_BYTES_MAX:
        if b"\r\n" not in buffer[: limits.TARGET_BYTES_MAX + limits.METHOD_BYTES_MAX + 16]:
            raise DownstreamError(414, f"request target is over {limits.TARGET_BYTES_MAX} bytes")
        raise DownstreamError(431, f"request head is over {limits.HEAD_BYTES_MAX} bytes")
    if buffer.count(b"\n") != buffer.count(b"\r\n"):
        raise DownstreamError(400, "bare LF in the request head")
    first = buffer[:1]
    if first and first != b"\r" and _METHOD.match(first) is None:
        raise DownstreamError(400, "this is not an HTTP request")


__all__ = ["IDEMPOTENT", "SAFE", "Request", "check_partial", "new_table", "parse", "parse_host"]
