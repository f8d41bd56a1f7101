"""An independent, slow and obvious reader of HTTP/1.1 byte streams: the oracle of what a strict origin or client would see.

It shares no code with the proxy. It accepts only what no reader could read differently, and raises ``Ambiguous`` otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TOKEN = set(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
HEX = set(b"0123456789abcdefABCDEF")


class Ambiguous(Exception):
    """Bytes that two strict readers might read differently, or that end in the middle of a message."""


class Incomplete(Ambiguous):
    """Bytes that end in the middle of a message; with more of them they may be one."""


@dataclass
class Message:
    """One message: its first line, its fields in order (names as sent), its body after removing chunk framing."""

    first: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


def _head(data: bytes) -> tuple[Message, bytes]:
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        raise Incomplete(f"no end of head in {data[:80]!r}")
    first, *lines = head.split(b"\r\n")
    if b"\r" in head.replace(b"\r\n", b"") or b"\n" in head.replace(b"\r\n", b"") or b"\0" in head:
        raise Ambiguous("bare CR, bare LF or NUL")
    message = Message(first.decode("latin-1"))
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not set(name) <= TOKEN:
            raise Ambiguous(f"bad field line {line!r}")
        message.fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))
    return message, rest


def _chunked(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, mark, rest = rest.partition(b"\r\n")
        if not set(line if mark else line.removesuffix(b"\r")) <= HEX or (mark and not line):
            raise Ambiguous(f"bad chunk size {line!r}")
        if not mark:
            raise Incomplete("chunks do not end")
        size = int(line, 16)
        if size == 0:
            while True:
                line, mark, rest = rest.partition(b"\r\n")
                if not mark:
                    raise Incomplete("trailers do not end")
                if not line:
                    return body, rest
        if not b"\r\n".startswith(rest[size : size + 2]):
            raise Ambiguous("chunk data does not end in CRLF")
        if len(rest) < size + 2:
            raise Incomplete("chunk data is cut short")
        body += rest[:size]
        rest = rest[size + 2 :]


def _framing(message: Message) -> tuple[bool, int | None]:
    codings, lengths = message.values("transfer-encoding"), message.values("content-length")
    if codings and ([coding.lower() for coding in codings] != ["chunked"] or lengths):
        raise Ambiguous(f"framing {codings} {lengths}")
    if len(lengths) > 1 or (lengths and not (lengths[0].isascii() and lengths[0].isdigit())):
        raise Ambiguous(f"lengths {lengths}")
    return bool(codings), int(lengths[0]) if lengths else None


def next_request(data: bytes) -> tuple[Message, bytes]:
    """The first request in ``data``, framed without doubt, and what follows it. Of its line only the form is read, and no Host."""
    message, data = _head(data)
    words = message.first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Ambiguous(f"request line {message.first!r}")
    chunked, length = _framing(message)
    if chunked and words[2] == "HTTP/1.0":
        raise Ambiguous("chunks in HTTP/1.0")
    if chunked:
        message.body, data = _chunked(data)
    elif length:
        if len(data) < length:
            raise Incomplete("body is cut short")
        message.body, data = data[:length], data[length:]
    return message, data


def read_requests(data: bytes) -> list[Message]:
    """Every request in ``data``, which must end exactly at the end of one."""
    found = []
    while data:
        message, data = next_request(data)
        if not message.first.endswith(" HTTP/1.1") or len(message.values("host")) != 1:
            raise Ambiguous(f"request line {message.first!r} or Host {message.values('host')}")
        found.append(message)
    return found


def read_responses(data: bytes, methods: list[str], *, ended: bool) -> list[Message]:
    """Every response in ``data`` (interim ones included), to requests of ``methods``; ``ended``: the connection was closed after it."""
    found = []
    waiting = list(methods)
    while data:
        message, data = _head(data)
        status = int(message.first.split(" ")[1])
        found.append(message)
        if status < 200:
            continue
        method = waiting.pop(0) if waiting else "GET"
        chunked, length = _framing(message)
        if method == "HEAD" or status in (204, 304):
            continue
        if chunked:
            message.body, data = _chunked(data)
        elif length is not None:
            if len(data) < length:
                raise Incomplete("body is cut short")
            message.body, data = data[:length], data[length:]
        elif ended:
            message.body, data = data, b""
        else:
            raise Incomplete("a body without end")
    return found
