"""Field lines: what each one means for the message that carries it, decided once per distinct line.

Facts. RFC 9110 section 5.1: a name is a token (tchar+), compared without case. Section 5.5: a value holds no CR, LF or NUL and is
trimmed of SP and HTAB only. RFC 9112 section 5.1: no whitespace between name and colon. Section 5.2: obs-fold is refused. RFC 9110
section 7.6.1: fields named by Connection, and the connection's own, are not forwarded.

Clients and origins repeat a few dozen lines for ever, so a validated line is remembered in a bounded table: the next message that
carries the very same bytes costs one look-up. Lines that hold credentials or are unique by nature are never remembered.
Knows nothing of heads, order or framing conflicts: that is ``request`` and ``response``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from proxy import limits
from proxy.errors import HeadgateError
from proxy.wire import gate


class BadLine(HeadgateError):
    """A field line no recipient should accept. ``status`` is what a client that sent it is answered."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Kind:
    """What a line is to us. Zero is every line that is forwarded as it stands; the numbers are only names."""

    PLAIN: Final = 0
    DROP: Final = 1  # hop-by-hop or not to be believed: never forwarded
    HOST: Final = 2
    CONTENT_LENGTH: Final = 3
    TRANSFER_ENCODING: Final = 4
    CONNECTION: Final = 5
    EXPECT: Final = 6
    TE: Final = 7
    FORWARDED_FOR: Final = 8
    FORWARDED_PROTO: Final = 9
    FORWARDED_HOST: Final = 10
    REQUEST_ID: Final = 11
    VIA: Final = 12
    UPGRADE: Final = 13
    DATE: Final = 14
    FORWARDED: Final = 15
    KEEP_ALIVE: Final = 16  # of a response; a client's is its own affair
    SHADOW: Final = 17  # marks a copy
    LOGIN: Final = 18  # of a scheme that logs a whole connection in; another is plain; from here on a value has to tell
    CHALLENGE: Final = 19  # asks for such a scheme; another is plain


REQUEST_KINDS: Final[dict[bytes, int]] = {
    b"host": Kind.HOST,
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"expect": Kind.EXPECT,
    b"te": Kind.TE,
    b"upgrade": Kind.UPGRADE,
    b"x-forwarded-for": Kind.FORWARDED_FOR,
    b"x-forwarded-proto": Kind.FORWARDED_PROTO,
    b"x-forwarded-host": Kind.FORWARDED_HOST,
    # The same trust question under other names, RFC 7239's first: kept from trusted peers only.
    b"forwarded": Kind.FORWARDED,
    b"x-real-ip": Kind.FORWARDED,
    b"x-forwarded-port": Kind.FORWARDED,
    b"x-forwarded-scheme": Kind.FORWARDED,
    b"x-forwarded-ssl": Kind.FORWARDED,
    b"x-forwarded-prefix": Kind.FORWARDED,
    b"x-forwarded-client-cert": Kind.FORWARDED,  # whose certificate was verified: ours to say, or a trusted proxy's
    b"x-request-id": Kind.REQUEST_ID,
    b"authorization": Kind.LOGIN,
    b"via": Kind.VIA,
    b"keep-alive": Kind.DROP,
    b"proxy-connection": Kind.DROP,
    b"trailer": Kind.DROP,
    b"http2-settings": Kind.DROP,
    b"proxy": Kind.DROP,  # httpoxy: becomes HTTP_PROXY in a CGI environment
    b"x-headgate-shadow": Kind.SHADOW,  # ours alone to say
}

RESPONSE_KINDS: Final[dict[bytes, int]] = {
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"date": Kind.DATE,
    b"upgrade": Kind.UPGRADE,
    b"keep-alive": Kind.KEEP_ALIVE,
    b"www-authenticate": Kind.CHALLENGE,
    b"proxy-connection": Kind.DROP,
    b"trailer": Kind.DROP,
    b"te": Kind.DROP,
    b"x-headgate-version": Kind.DROP,  # ours alone to say
}

# Never remembered: secrets, and values that do not come twice.
UNREPEATED: Final[frozenset[bytes]] = frozenset(
    b"cookie set-cookie authorization proxy-authorization x-api-key x-request-id traceparent tracestate etag if-none-match"
    b" last-modified if-modified-since location x-forwarded-for forwarded".split()
)

# A Connection list may not delete these (rule 26): routing, identity and framing are not the client's to switch off.
UNNOMINATABLE: Final[frozenset[bytes]] = frozenset(
    b"host content-length transfer-encoding authorization cookie set-cookie x-forwarded-for x-forwarded-proto x-forwarded-host"
    b" forwarded x-request-id via cache-control content-type content-encoding date traceparent tracestate expect".split()
)

# What no rule of a route may touch: the framing and the connection, which are made anew from parsed values, the Host, which has a key
# of its own, and what others rely on the proxy for: loops are found by Via, log lines by their request id, versions by ours.
UNRULED: Final[frozenset[bytes]] = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings content-length"
    b" host via x-request-id x-headgate-version x-headgate-shadow".split()
)
UNRULED_REQUEST: Final[frozenset[bytes]] = UNRULED | {b"expect", b"proxy"}
UNRULED_RESPONSE: Final[frozenset[bytes]] = UNRULED | {b"date"}

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE_CONTROLS = bytes(c for c in range(0x20) if c != 0x09) + b"\x7f"
_DIGITS = re.compile(rb"[0-9]{1,%d}" % limits.CONTENT_LENGTH_DIGITS_MAX)
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~\-]{1,255})(?::([0-9]{1,5}))?")
_KEEP_ALIVE = re.compile(rb"(?:^|[ \t,;])timeout[ \t]*=[ \t]*\"?([0-9]{1,9})(?![0-9])", re.IGNORECASE)
_LOGIN = re.compile(rb"[ \t]*(?:negotiate|ntlm)(?![^ \t])", re.IGNORECASE)  # RFC 4559; anchored, for tokens are long
_CHALLENGE = re.compile(rb"(?:^|[ \t,])(?:negotiate|ntlm)(?![^ \t,])", re.IGNORECASE)
_TELLING = {Kind.LOGIN: _LOGIN.match, Kind.CHALLENGE: _CHALLENGE.search}
_TOKEN_LIST = re.compile(rb"[ \t]*,[ \t]*")


class Field:
    """A line that matters to us. ``number`` is a parsed length, or the seconds of Keep-Alive (-1: none).

    ``names`` are list members in lower case, ``key`` a Host's routing key.
    """

    __slots__ = ("_cut", "key", "kind", "line", "name", "names", "number", "value")

    def __init__(self, kind: int, line: bytes, name: bytes, value: bytes) -> None:
        self.kind = kind
        self.line = line
        self.name = name
        self.value = value
        self._cut = b"\r\n" + line + b"\r\n"
        self.number = -1
        self.names: frozenset[bytes] = frozenset()
        self.key = b""

    def taken_out(self, head: bytes) -> bytes:
        """``head`` without (one of) this line. Lines hold no CRLF, so nothing but a whole line can be hit."""
        return head.replace(self._cut, b"\r\n", 1)

    def replaced(self, head: bytes, line: bytes) -> bytes:
        """``head`` with another line in the place of this one."""
        return head.replace(self._cut, b"\r\n" + line + b"\r\n", 1)


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Name in lower case and trimmed value of one line without its CRLF. Raises BadLine (rules 8-11)."""
    if line[:1] in (b" ", b"\t"):
        raise BadLine("folded header line")
    name, colon, value = line.partition(b":")
    if not colon:
        raise BadLine("header line without a colon")
    if _NAME.fullmatch(name) is None:
        raise BadLine("header name is not a token")
    if value.translate(None, _VALUE_CONTROLS) != value:
        raise BadLine("control character in a header value")
    return name.lower(), value.strip(b" \t")


def parse_host(value: bytes) -> bytes:
    """The routing key of a Host value: lower case, without port. Raises BadLine (rule 6)."""
    match = _HOST.fullmatch(value)
    if match is None or (match[2] is not None and int(match[2]) > 65535):
        raise BadLine("invalid Host")
    return match[1].lower().removesuffix(b".")  # the absolute form of a DNS name is the same host


def parse_length(value: bytes) -> int:
    """A Content-Length value in bytes. Raises BadLine unless it is plain ASCII digits of bounded width (rules 14, 15)."""
    if _DIGITS.fullmatch(value) is None:
        raise BadLine("Content-Length is not one decimal number")
    return int(value)


def list_members(value: bytes) -> frozenset[bytes]:
    """Members of a comma list, lower case, empty ones left out."""
    return frozenset(_TOKEN_LIST.split(value.strip(b" \t,").lower())) - {b""}


def classify(kind: int, line: bytes, name: bytes, value: bytes) -> Field:
    """What a line that is not simply forwarded means. Raises BadLine."""
    field = Field(kind, line, name, value)
    if kind == Kind.CONTENT_LENGTH:
        field.number = parse_length(value)
    elif kind == Kind.HOST:
        field.key = parse_host(value)
    elif kind == Kind.KEEP_ALIVE:
        told = _KEEP_ALIVE.search(value)
        if told:
            field.number = int(told[1])
    elif kind in (Kind.CONNECTION, Kind.TE):
        field.names = list_members(value)
    elif kind == Kind.TRANSFER_ENCODING and value.lower() != b"chunked":
        # Rule 17. A coding we do not know is 501 (RFC 9112 section 6.1); a list or an alias of chunked is an attack.
        known_word = _NAME.fullmatch(value) is not None and value.lower() != b"identity"
        raise BadLine("Transfer-Encoding other than chunked", 501 if known_word else 400)
    return field


class LineTable(dict[bytes, "Field | None"]):
    """Lines that both readers have passed, and what each means: a Field, or None when it is simply forwarded. Bounded.

    A dictionary that learns: looking a new line up validates it, and remembers it if it is short and may come again. So a head is read
    by mapping ``lookup`` over its lines, at the speed of C for lines seen before. Raises BadLine at a line that is not valid.
    """

    __slots__ = ("_kinds", "_names", "lookup")

    def __init__(self, kinds: dict[bytes, int]) -> None:
        super().__init__()
        self._kinds = kinds
        self._names: dict[bytes, tuple[bytes, int, bool]] = {}
        self[b""] = None  # what follows the last CRLF of a head
        self.lookup = self.__getitem__

    def __missing__(self, line: bytes) -> Field | None:
        raw_name, colon, raw_value = line.partition(b":")
        known = self._names.get(raw_name)
        if known is None or not colon:
            known = self._learn_name(line)
        name, kind, repeated = known
        if raw_value.translate(None, _VALUE_CONTROLS) != raw_value:
            raise BadLine("control character in a header value")
        entry = None
        # Of a plain line nothing is left to ask: its name passed both readers, its value holds no control.
        if kind != Kind.PLAIN and (kind < Kind.LOGIN or _TELLING[kind](raw_value)):
            entry = classify(kind, line, name, raw_value.strip(b" \t"))
            if not gate.line_passes(line):
                raise BadLine("malformed header line")
        if repeated and len(line) <= limits.LINE_TABLE_LINE_BYTES_MAX:
            if len(self) >= limits.LINE_TABLE_ENTRIES_MAX:
                self.clear()
                self[b""] = None
            self[line] = entry
        return entry

    def _learn_name(self, line: bytes) -> tuple[bytes, int, bool]:
        """Validate the name of a line; names are remembered as they were spelled."""
        name, _ = split_line(line)
        kind = self._kinds.get(name, Kind.PLAIN)
        if kind == Kind.PLAIN and not gate.line_passes(name + b": x"):
            raise BadLine("malformed header name")
        if kind == Kind.PLAIN and b"_" in name and self._kinds is REQUEST_KINDS:
            kind = Kind.DROP  # rule 13: `_` and `-` become the same CGI variable, so `X_Forwarded_For` would pass for ours
        known = name, kind, name not in UNREPEATED
        if len(self._names) >= limits.LINE_TABLE_ENTRIES_MAX:
            self._names.clear()
        if len(name) <= limits.LINE_TABLE_LINE_BYTES_MAX:
            self._names[line[: len(name)]] = known
        return known


def without(text: bytes, lines: list[bytes], names: frozenset[bytes]) -> bytes:
    """``text`` without those of ``lines`` whose (lower-case) name is among ``names``: what a Connection list nominated (rule 26)."""
    for line in lines:
        if line.partition(b":")[0].lower() in names:
            text = text.replace(b"\r\n" + line + b"\r\n", b"\r\n", 1)
    return text


def find(lines: list[bytes], name: bytes) -> bytes | None:
    """The value of the first line with that (lower-case) name, or None. The lines have been validated."""
    width = len(name)
    for line in lines:
        if line[width : width + 1] == b":" and line[:width].lower() == name:
            return line[width + 1 :].strip(b" \t")
    return None


def find_all(lines: list[bytes], name: bytes) -> list[bytes]:
    """Values of every line with that (lower-case) name, in order."""
    width = len(name)
    return [x[width + 1 :].strip(b" \t") for x in lines if x[width : width + 1] == b":" and x[:width].lower() == name]


def cookie_reader(name: bytes) -> Callable[[bytes], bytes | None]:
    """What finds a cookie's value in validated field lines, each behind a CRLF (RFC 6265 section 4.2: pairs parted by ``; ``).

    None when it is absent or its first value empty. One search, for it is made for every request of a service that is sticky by it.
    """
    search = re.compile(rb"\r\ncookie:(?:[^\r;]*;)*?[ \t]*(?-i:%b)=([^\r;]*)" % re.escape(name), re.IGNORECASE).search

    def read(fields: bytes) -> bytes | None:
        found = search(fields)
        return None if found is None else found[1].rstrip(b" \t") or None

    return read
