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
from proxy.wire.gate import check_response
from proxy.wire.headers import RESPONSE_KINDS, UNNOMINATABLE, BadLine, Field, Kind, LineTable

UNTIL_CLOSE: Final = -2
CHUNKED: Final = -1

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_CONNECTION_WORDS: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"proxy-connection"))


class Response:
    """One parsed head. ``length`` is the body's size in bytes, or CHUNKED, or UNTIL_CLOSE. ``lines`` is the status line and the
    end-to-end fields, in order, without framing and hop-by-hop ones; ``unchanged`` says that nothing had to be taken out but what
    ``length`` restores, so that the head may be relayed as it came. ``has_date`` says whether the origin dated it."""

    __slots__ = ("has_date", "keep_alive", "length", "lines", "minor", "status", "unchanged")

    def __init__(self, status: int, minor: int, lines: list[bytes]) -> None:
        self.status = status
        self.minor = minor
        self.lines = lines
        self.keep_alive = minor == 1
        self.length = UNTIL_CLOSE
        self.has_date = False
        self.unchanged = minor == 1


def parse(head: bytes, table: LineTable, statuses: dict[bytes, tuple[int, int]], *, head_request: bool) -> Response:
    """Read one head. ``statuses`` remembers status lines (bounded by the caller's table life). Raises UpstreamError (``protocol``)."""
    lines = head.split(b"\r\n")
    if len(lines) - 3 > limits.HEADER_FIELDS_MAX:
        raise UpstreamError("protocol", "too many header fields in the response")
    start_line = lines[0]
    del lines[0], lines[-2:]
    known = statuses.get(start_line)
    if known is None:
        known = _learn_status(start_line, statuses)
    response = Response(known[0], known[1], lines)
    try:
        special = table.special(lines)
        if special:
            _read_fields(response, special)
    except BadLine as error:
        raise UpstreamError("protocol", error.reason) from None
    check_response(head)
    status = response.status
    if head_request or status == 304 or status == 204 or status < 200:
        response.length = 0
        response.unchanged = response.unchanged and not (status == 204 or status < 200)
    elif status == 205 and response.length != 0:
        raise UpstreamError("protocol", "205 with a body")
    lines.insert(0, start_line if known[1] else b"HTTP/1.1" + start_line[8:])
    return response


def _learn_status(line: bytes, statuses: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise UpstreamError("protocol", "malformed status line")
    known = int(match[2]), int(match[1])
    if len(statuses) >= 256:  # an origin that invents reason phrases must not grow us
        statuses.clear()
    statuses[line] = known
    return known


def _read_fields(response: Response, special: list[Field]) -> None:
    """Framing and connection fields, in order. A length line in canonical form stays in place: it is what we would write."""
    lines = response.lines
    chunked = counted = False
    nominated: frozenset[bytes] = frozenset()
    for field in special:
        kind = field.kind
        if kind == Kind.DATE:
            response.has_date = True
            continue
        if kind == Kind.CONTENT_LENGTH:
            if counted:
                raise BadLine("Content-Length is given twice")
            counted = True
            response.length = field.number
            if response.status == 204 or response.status < 200:
                lines.remove(field.line)
            elif field.value != b"%d" % field.number:
                lines[lines.index(field.line)] = b"Content-Length: %d" % field.number
                response.unchanged = False
            continue
        response.unchanged = False
        lines.remove(field.line)
        if kind == Kind.TRANSFER_ENCODING:
            if chunked:
                raise BadLine("Transfer-Encoding is given twice")
            chunked = True
        elif kind == Kind.CONNECTION:
            if b"close" in field.names:
                response.keep_alive = False
            elif not response.minor and b"keep-alive" in field.names:
                response.keep_alive = True
            nominated |= field.names - _CONNECTION_WORDS - UNNOMINATABLE
    if chunked:
        if counted:
            raise BadLine("both Content-Length and Transfer-Encoding")
        if not response.minor:
            raise BadLine("Transfer-Encoding on HTTP/1.0")
        response.length = CHUNKED
    if nominated:
        response.lines[:] = [x for x in lines if x[: x.index(b":")].lower() not in nominated]


def new_table() -> LineTable:
    """The line table of a worker's responses."""
    return LineTable(RESPONSE_KINDS)
