"""A request head: from bytes to a decision, or a refusal that says why.

Facts. RFC 9112 section 3: method SP target SP version CRLF. Section 6.3: Transfer-Encoding with Content-Length is how smuggling
starts; both, either twice, or anything but a single ``chunked`` is refused here and the connection closed (rules 14-18). Section 3.2:
exactly one Host on 1.1 (rule 6). Knows nothing of routes, trust or sockets.

Start lines, like field lines, are read once and remembered in a bounded table: the paths of an API and of a page's parts come again.
"""

from __future__ import annotations

import re
from typing import Any, Final

from proxy import limits
from proxy.errors import DownstreamError
from proxy.wire import gate
from proxy.wire import target as targets
from proxy.wire.headers import REQUEST_KINDS, UNNOMINATABLE, BadLine, Field, Kind, LineTable, parse_host, without

SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
IDEMPOTENT: Final = SAFE | {b"PUT", b"DELETE"}

_COMMON_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_METHOD = re.compile(rb"[!#$%%&'*+\-.^_`|~0-9A-Za-z]{1,%d}" % limits.METHOD_BYTES_MAX)
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_PROTOCOL = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32})?")
# A tunnel that speaks HTTP again would carry requests past every rule here (h2c smuggling); TLS would hide them.
_HTTP_AGAIN: Final = frozenset((b"h2c", b"h2", b"h3", b"http", b"tls"))
_CONNECTION_WORDS: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings", b"proxy-connection"))


class Start:
    """One start line, read. ``path`` is normalised; ``line`` is what the origin gets; ``authority`` is an absolute-form target's."""

    __slots__ = ("authority", "idempotent", "keep_alive", "line", "method", "minor", "path", "query", "routed", "safe")

    def __init__(self, line: bytes) -> None:
        """Read ``line`` (without CRLF). Raises DownstreamError (rules 1-5, 12, 42)."""
        words = line.split(b" ")
        if len(words) != 3:
            raise DownstreamError(400, "request line is not `method target version`")
        method, target, version = words
        self.minor = 1 if version == b"HTTP/1.1" else self._older_minor(version)
        self.keep_alive = self.minor == 1
        if method not in _COMMON_METHODS:
            self._check_method(method)
        if len(target) > limits.TARGET_BYTES_MAX:
            raise DownstreamError(414, f"request target is over {limits.TARGET_BYTES_MAX} bytes")
        if target.translate(None, targets.LEGAL):
            raise DownstreamError(400, "illegal character in the request target")
        self.method = method
        self.idempotent = method in IDEMPOTENT
        self.safe = method in SAFE
        self.authority = b""
        self.routed: tuple[object, bytes, object] | None = None  # the router's: where this line led last time (table, host, way)
        forwarded = self._read_target(target)
        self.line = line if forwarded is target and self.minor else b"%b %b HTTP/1.1" % (method, forwarded)
        fault = gate.start_line_fault(line)
        if fault:
            raise (
                DownstreamError(501, "method not implemented") if fault == "method" else DownstreamError(400, "malformed request line")
            )

    def _read_target(self, target: bytes) -> bytes:
        """Set path and query; returns the target to forward, the same object when nothing had to change."""
        if target[:1] != b"/":
            if target == b"*" and self.method == b"OPTIONS":
                self.path, self.query = b"/", b""
                return target
            self.authority, target = targets.split_absolute(target)
        path, mark, self.query = target.partition(b"?")
        self.path = normal = targets.normalise(path)
        return target if normal is path else normal + mark + self.query

    @staticmethod
    def _check_method(method: bytes) -> None:
        if _METHOD.fullmatch(method) is None:
            raise DownstreamError(400, "method is not a token")
        if method == b"CONNECT" or method == b"TRACE":
            raise DownstreamError(405, f"{method.decode()} is not allowed here")

    @staticmethod
    def _older_minor(version: bytes) -> int:
        if version == b"HTTP/1.0":
            return 0
        if _VERSION.fullmatch(version):
            raise DownstreamError(505, "only HTTP/1.0 and HTTP/1.1 are served")
        raise DownstreamError(400, "malformed HTTP version")


class Starts(dict[bytes, Start]):
    """Start lines read before. Bounded; a line over LINE_TABLE_LINE_BYTES_MAX is read anew each time."""

    def __missing__(self, line: bytes) -> Start:
        start = Start(line)
        if len(line) <= limits.LINE_TABLE_LINE_BYTES_MAX:
            if len(self) >= limits.START_TABLE_ENTRIES_MAX:
                self.clear()
            self[line] = start
        return start


class Request:
    """One parsed head.

    ``rest`` is what of its fields may be forwarded, each line as received and validated, without framing, hop-by-hop and forwarding
    fields; it begins with the CRLF of the start line and ends with one. ``lines`` are all field lines as received. ``host`` is the
    routing key, ``authority`` the Host value. ``length`` is the body's size in bytes, 0 without one, -1 when it is chunked.
    """

    # Defaults live on the class: a request sets only what it has, and most have little.
    length = 0
    expect_continue = False
    te_trailers = False
    host = b""
    authority = b""
    forwarded_for: tuple[bytes, ...] = ()
    forwarded: tuple[bytes, ...] = ()
    forwarded_proto = b""
    forwarded_host = b""
    request_id = b""
    via = b""
    upgrade = b""  # the protocol asked for, when it may be switched to (rule 28)
    logs_in = False  # NTLM or Negotiate: the origin may take all that follows on its connection for the same user's (rule 39)
    shadow = False  # a copy by a headgate before us
    placed: Any = None  # the router's: the split that last placed the user of these fields, and its choice
    onward: bytes | None = None  # the forwarder's: ``rest`` and its own lines, up to the value of the request id

    def __init__(self, start: Start, rest: bytes, lines: list[bytes]) -> None:
        self.start = start
        self.path = start.path
        self.keep_alive = start.keep_alive
        self.rest = rest
        self.lines = lines

    def again(self, start: Start) -> None:
        """Become the next request of the same connection, with another start line and byte for byte the same fields."""
        self.start = start
        self.path = start.path

    @property
    def method(self) -> bytes:
        """As received."""
        return self.start.method

    @property
    def query(self) -> bytes:
        """The query without its ``?``, never changed."""
        return self.start.query

    @property
    def minor(self) -> int:
        """The client's HTTP minor version."""
        return self.start.minor

    @property
    def plain(self) -> bool:
        """Whether nothing in it calls for lines of its own on the way to the origin: no body, no Via, no trailers or upgrade wanted."""
        return not (self.length or self.via or self.te_trailers or self.upgrade) and self.host != b""

    @property
    def repeats(self) -> bool:
        """Whether a next request with the same fields means the same but for its start line: HTTP/1.1, no absolute form, no upgrade."""
        return self.start.minor == 1 and not self.start.authority and not self.upgrade


def parse(head: bytes, starts: Starts, table: LineTable) -> Request:
    """Read one head, from its first byte to the empty line's CRLF. Raises DownstreamError; its connection is not to be read again."""
    lines = head.split(b"\r\n")
    if len(lines) > limits.HEADER_FIELDS_MAX + 3:
        raise DownstreamError(431, f"more than {limits.HEADER_FIELDS_MAX} header fields")
    line = lines.pop(0)
    request = Request(starts[line], head[len(line) : -2], lines)
    try:
        _read_fields(request, list(filter(None, map(table.lookup, lines))))
    except BadLine as error:
        raise DownstreamError(error.status, error.reason) from None
    return request


def _read_fields(request: Request, special: list[Field]) -> None:
    """Apply the fields that matter, in order, and take out of ``rest`` those that are ours to make anew."""
    rest = request.rest
    chunked = counted = closing = asked = False
    expectation = nominated = upgrade = None
    for field in special:
        kind = field.kind
        if kind == Kind.HOST:
            if request.host:
                raise BadLine("Host is given twice")
            request.authority = field.value
            request.host = field.key
            continue  # forwarded as it stands
        if kind == Kind.LOGIN:
            request.logs_in = True
            continue  # forwarded as it stands
        rest = field.taken_out(rest)
        if kind == Kind.CONNECTION:
            names = field.names
            if b"close" in names:
                closing = True
                request.keep_alive = False
            elif b"keep-alive" in names:
                request.keep_alive = not closing  # RFC 9112 section 9.3: `close` wins, wherever it stands
            if b"upgrade" in names:
                asked = True
            if not names <= _CONNECTION_WORDS:
                nominated = names if nominated is None else nominated | names
        elif kind == Kind.CONTENT_LENGTH:
            if counted:
                raise BadLine("Content-Length is given twice")
            counted = True
            request.length = field.number
            if not field.number:  # said, not implied: an origin may insist on it where the method wants a body (411)
                rest += b"Content-Length: 0\r\n"
        elif kind == Kind.TRANSFER_ENCODING:
            if chunked:
                raise BadLine("Transfer-Encoding is given twice")
            chunked = True
        elif kind == Kind.EXPECT:
            expectation = field.value if expectation is None else expectation + b", " + field.value
        elif kind == Kind.TE:
            request.te_trailers = b"trailers" in field.names
        elif kind == Kind.UPGRADE:
            upgrade = field.value if upgrade is None else b""
        else:
            _read_forwarding(request, field)
    request.rest = rest
    if chunked:
        _check_chunked(request, counted)
    if expectation is not None:
        _read_expectation(request, expectation)
    if upgrade and asked and not chunked and not counted:
        _read_upgrade(request, upgrade)
    if nominated is not None:
        request.rest = without(request.rest, request.lines, nominated - _CONNECTION_WORDS - UNNOMINATABLE)
    if not request.host or request.start.authority:
        _check_host(request)


def _check_chunked(request: Request, counted: bool) -> None:
    if counted:
        raise BadLine("both Content-Length and Transfer-Encoding")
    if not request.minor:
        raise BadLine("Transfer-Encoding on HTTP/1.0")
    request.length = -1


def _read_expectation(request: Request, value: bytes) -> None:
    if not request.minor:
        return  # RFC 9110 section 10.1.1: ignored on 1.0
    if value.lower() != b"100-continue":
        raise BadLine("unknown expectation", 417)
    request.expect_continue = request.length != 0


def _read_upgrade(request: Request, protocol: bytes) -> None:
    """Rule 28: one protocol, by GET, on 1.1, without a body; anything else is an ordinary request, as RFC 9110 section 7.8 allows."""
    asked = request.start.method == b"GET" and request.minor and _PROTOCOL.fullmatch(protocol)
    if asked and protocol.partition(b"/")[0].lower() not in _HTTP_AGAIN:
        request.upgrade = protocol


def _check_host(request: Request) -> None:
    """Rules 5 and 6. An absolute-form target and Host must name one authority: routing on one and forwarding the other is a hole."""
    authority = request.start.authority
    if not request.host:
        if request.minor:
            raise BadLine("Host is missing")
        if authority:
            request.host = parse_host(authority)
            request.authority = authority
            request.rest += b"Host: " + authority + b"\r\n"
    elif authority and authority.lower() != request.authority.lower():
        raise BadLine("Host differs from the request target's authority")


def _read_forwarding(request: Request, field: Field) -> None:
    kind = field.kind
    if kind == Kind.FORWARDED_FOR:
        request.forwarded_for += (field.value,)
    elif kind == Kind.FORWARDED_PROTO:
        request.forwarded_proto = field.value
    elif kind == Kind.FORWARDED_HOST:
        request.forwarded_host = field.value
    elif kind == Kind.FORWARDED:
        request.forwarded += (field.line,)
    elif kind == Kind.REQUEST_ID:
        request.request_id = field.value
    elif kind == Kind.SHADOW:
        request.shadow = True
    elif kind == Kind.VIA:
        request.via = request.via + b", " + field.value if request.via else field.value


def new_table() -> LineTable:
    """The line table of a worker's requests."""
    return LineTable(REQUEST_KINDS)


def check_partial(buffer: bytes | bytearray, fresh: int) -> None:
    """Refuse early what can no longer become a head: a bare LF, controls where a method should be, or too many bytes.

    A head is judged whole, so without this a client that never sends CRLF CRLF would wait for the time-out instead of its answer. The
    last ``fresh`` bytes are new; the others have passed, and looking at them again would let a head in single bytes cost its square.
    """
    if len(buffer) > limits.TARGET_BYTES_MAX + limits.METHOD_BYTES_MAX + 16 and b"\r\n" not in buffer:
        raise DownstreamError(414, f"request target is over {limits.TARGET_BYTES_MAX} bytes")
    if len(buffer) > limits.HEAD_BYTES_MAX:
        raise DownstreamError(431, f"request head is over {limits.HEAD_BYTES_MAX} bytes")
    new = buffer[max(0, len(buffer) - fresh - 1) :]  # and the byte before, which may be the CR of a fresh LF
    if new.count(b"\n") != new.count(b"\r\n") + (len(new) > fresh and new[:1] == b"\n"):
        raise DownstreamError(400, "bare LF in the request head")
    first = buffer[:1]
    if first and first != b"\r" and _METHOD.match(first) is None:
        raise DownstreamError(400, "this is not an HTTP request")
