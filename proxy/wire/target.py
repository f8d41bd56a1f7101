"""The request target: which bytes may stand in it, and the one normalised form that is both routed on and forwarded.

Facts. RFC 9112 section 3.2: origin-form, absolute-form, ``*`` for OPTIONS, authority-form for CONNECT. RFC 3986 section 6.2.2: an
escaped unreserved character equals the character; section 5.2.4: dot segments are removed.

Decisions (rule 42). ``%XX`` of unreserved characters is decoded, other escapes are kept with upper-case digits; so ``%2F`` and ``%5C``
stay opaque inside a segment. Dot segments are removed, escaped ones too. ``//`` and ``;`` are kept. ``%00``, a broken escape and a raw
backslash in a path are refused: origins disagree on them. The query is never touched.
"""

from __future__ import annotations

import re

from proxy.errors import DownstreamError

LEGAL = bytes(c for c in range(0x21, 0x7F) if c != 0x23)
"""Bytes that may stand in a target: visible ASCII without ``#``; no space, control, DEL or byte above 0x7E (rule 3)."""

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def split_absolute(target: bytes) -> tuple[bytes, bytes]:
    """Authority and origin-form target of an absolute-form one. Raises DownstreamError (rule 4)."""
    scheme, mark, rest = target.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        raise DownstreamError(400, "request target is neither a path nor an http URL")
    cut = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    authority, tail = rest[:cut], rest[cut:]
    if not authority:  # RFC 9110 section 4.2.1; servers differ on whom such a target names
        raise DownstreamError(400, "request target has no authority")
    return authority, tail if tail.startswith(b"/") else b"/" + tail


def _unescape(match: re.Match[bytes]) -> bytes:
    digits = match[1]
    if digits is None:
        raise DownstreamError(400, "broken percent-escape in the path")
    octet = int(digits, 16)
    if octet == 0:
        raise DownstreamError(400, "encoded NUL in the path")
    return bytes((octet,)) if octet in _UNRESERVED else b"%" + digits.upper()


def _remove_dots(path: bytes) -> bytes:
    out: list[bytes] = []
    segments = path.split(b"/")[1:]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == b"..":
            if out:
                out.pop()
            if last:
                out.append(b"")
        elif segment == b".":
            if last:
                out.append(b"")
        else:
            out.append(segment)
    return b"/" + b"/".join(out)


def normalise(path: bytes) -> bytes:
    """The normalised form of a path that begins with ``/``; the same object when it is in that form already."""
    if b"%" in path or b"/." in path or b"\\" in path:
        if b"\\" in path:
            raise DownstreamError(400, "backslash in the path")
        normal = _remove_dots(_ESCAPE.sub(_unescape, path))
        return path if normal == path else normal
    return path
