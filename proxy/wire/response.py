"""A response head: parsed as strictly as a request's, because what an origin may smuggle the next client would read.

Facts. RFC 9112 section 6.3 gives the body's length in order: none for HEAD, 1xx, 204, 304; chunked; Content-Length; else until close.
Rule 34: both framings, or two lengths, are a broken origin (502). Rule 33: no framing fields on 1xx and 204. Knows nothing of
connections: who may reuse one is ``dataplane``'s decision on ``keep_alive``.
"""

from __future__ import annotations

import re
from typing import Final

from proxy import limits
from proxy.errors import UpstreamError
from proxy.wire import gate
from proxy.wire.headers import RESPONSE_KINDS, UNNOMINATABLE, BadLine, Field, Kind, LineTable, without

UNTIL_CLOSE: Final = -2
CHUNKED: Final = -1

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_EVENT_STREAM = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream")  # for a head in lower case
_CONNECTION_WORDS: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"proxy-connection"))
_STATUS_LINES_MAX: Final = 256  # an origin that invents reason phrases must not grow us


class Statuses(dict[bytes, tuple[int, int]]):
    """Status lines read before, as (status, minor version). Bounded. Raises UpstreamError at a malformed one."""

    def __missing__(self, line: bytes) -> tuple[int, int]:
        match = _STATUS_LINE.fullmatch(line)
        if match is None or not gate.status_line_passes(line):
            raise UpstreamError("protocol", "malformed status line")
        if len(self) >= _STATUS_LINES_MAX:
            self.clear()
        known = self[line] = int(match[2]), int(match[1])
        return known


class Response:
    """One parsed head. ``length`` is the body's size in bytes, or CHUNKED, or UNTIL_CLOSE.

    ``head`` is what of it may be relayed: status line and end-to-end fields, with a Content-Length where there is one but without any
    other framing or hop-by-hop field, and the empty line. ``has_date`` says whether the origin dated it. ``idle_s`` is how long the
    connection may be kept idle after it: shorter than the origin keeps it, if the origin says so.
    """

    keep_alive = True
    has_date = False
    length = UNTIL_CLOSE
    upgrade = b""  # what a 101 switches to
    switches = False  # Connection says that it does
    idle_s = limits.IDLE_UPSTREAM_S
    closing = b""  # the relayer's: ``head`` for a client whose connection ends, once there was one

    def __init__(self, status: int, head: bytes) -> None:
        self.status = status
        self.head = head


def is_event_stream(head: bytes) -> bool:
    """Whether an answer with this head is one of server-sent events (WHATWG HTML section 9.2): it ends when somebody leaves."""
    return _EVENT_STREAM.search(head.lower()) is not None


def parse(head: bytes, table: LineTable, statuses: Statuses, *, head_request: bool) -> Response:
    """Read one head, from its first byte to the empty line's CRLF. Raises UpstreamError (``protocol``)."""
    lines = head.split(b"\r\n")
    if len(lines) > limits.HEADER_FIELDS_MAX + 3:
        raise UpstreamError("protocol", "too many header fields in the response")
    line = lines.pop(0)
    status, minor = statuses[line]
    response = Response(status, head)
    try:
        _read_fields(response, minor, list(filter(None, map(table.lookup, lines))), lines)
    except BadLine as error:
        raise UpstreamError("protocol", error.reason) from None
    if not minor:
        response.head = b"HTTP/1.1" + response.head[8:]
    if status == 204 and response.length == CHUNKED:
        response.keep_alive = False  # its last chunk may still come, and would be read as the next answer
    if head_request or status < 200 or status == 204 or status == 304:
        response.length = 0
    elif status == 205:
        if response.length > 0:
            raise UpstreamError("protocol", "205 with a body")
        if response.length < 0:  # RFC 9110 section 15.3.6: without a length its end would be the connection's
            response.head = response.head[:-2] + b"Content-Length: 0\r\n\r\n"
            response.keep_alive = False  # what the origin may still send, an empty chunk for one, is not the next answer
        response.length = 0
    return response


def _read_fields(response: Response, minor: int, special: list[Field], lines: list[bytes]) -> None:
    """Framing and connection fields, in order. A length line in canonical form stays in place: it is what we would write."""
    chunked = counted = closing = False
    nominated = None
    keep_alive = bool(minor)
    for field in special:
        kind = field.kind
        if kind == Kind.DATE:
            response.has_date = True
        elif kind == Kind.CHALLENGE:  # rule 39: the connection is, or is about to be, one user's
            keep_alive, closing = False, True
        elif kind == Kind.CONTENT_LENGTH:
            if counted:
                raise BadLine("Content-Length is given twice")
            counted = True
            response.length = field.number
            if response.status == 204 or response.status < 200:
                response.head = field.taken_out(response.head)
            elif field.value[:1] == b"0" and len(field.value) > 1:
                response.head = field.replaced(response.head, b"Content-Length: %d" % field.number)
        else:
            response.head = field.taken_out(response.head)
            if kind == Kind.CONNECTION:
                names = field.names
                if b"close" in names:
                    closing = True
                    keep_alive = False
                elif b"keep-alive" in names:
                    keep_alive = not closing  # RFC 9112 section 9.3: `close` wins, wherever it stands
                if b"upgrade" in names:
                    response.switches = True
                if not names <= _CONNECTION_WORDS:
                    nominated = names if nominated is None else nominated | names
            elif kind == Kind.TRANSFER_ENCODING:
                if chunked:
                    raise BadLine("Transfer-Encoding is given twice")
                chunked = True
            elif kind == Kind.UPGRADE:
                response.upgrade = field.value if not response.upgrade else b"\0"  # two are none: nobody asked for that
            elif kind == Kind.KEEP_ALIVE and field.number >= 0:
                _told_idle(response, field.number)
                if not field.number:
                    keep_alive, closing = False, True
    response.keep_alive = keep_alive
    if chunked:
        if counted:
            raise BadLine("both Content-Length and Transfer-Encoding")
        if not minor:
            raise BadLine("Transfer-Encoding on HTTP/1.0")
        response.length = CHUNKED
    if nominated is not None:
        response.head = without(response.head, lines, nominated - _CONNECTION_WORDS - UNNOMINATABLE)


def _told_idle(response: Response, timeout_s: int) -> None:
    """Rule 38: the origin says when it will close; be a second earlier, or by half where a second is too much."""
    response.idle_s = min(timeout_s - min(1.0, timeout_s / 2), limits.IDLE_UPSTREAM_TOLD_S_MAX)


def new_table() -> LineTable:
    """The line table of a worker's responses."""
    return LineTable(RESPONSE_KINDS)
