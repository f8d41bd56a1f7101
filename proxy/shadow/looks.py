"""What a value looks like: two values that look alike in a way that always differs are not compared further.

Facts
-----
- RFC 9562 section 4: a UUID is 8-4-4-4-12 hexadecimal digits.
- RFC 3339 section 5.6 and RFC 9110 section 5.6.7: the two forms of a timestamp that services write.
- MD5, SHA-1, SHA-256 and SHA-512 are 32, 40, 64 and 128 hexadecimal digits; a trace id 32 and a span id 16 (W3C Trace Context).
- RFC 7519: a JWT is three base64url parts with a dot between them, the first of which begins with ``eyJ``.
"""

from __future__ import annotations

import re
from typing import Final

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s?([Zz]|[+-]\d\d:?\d\d)?\Z")
_HTTP_DATE: Final = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d( GMT|\s[+-]\d{4})\Z")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]+\Z")
_DIGEST_LENGTHS: Final = frozenset((16, 32, 40, 56, 64, 96, 128))
_JWT: Final = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*\Z")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_+/=-]+\Z")
_TOKEN_CHARS_MIN: Final = 20  # a ULID has 26, a KSUID 27, a nanoid 21; the longest words of prose without a space are rarely over 20
_UNIX_S: Final = (1_000_000_000.0, 4_102_444_800.0)  # 2001 to 2100
_CLOSE_S: Final = 86_400.0  # two answers to one request are seconds apart; a day allows for caches and time zones


def text(value: str) -> str:
    """``uuid``, ``timestamp``, ``digest``, ``token``, or empty for a text that means what it says.

    A token is long, without spaces, and mixes digits with letters of both cases (or is a JWT): such a text is drawn, not written.
    """
    if len(value) == 36 and _UUID.match(value):
        return "uuid"
    if 16 <= len(value) <= 40 and (_RFC3339.match(value) or _HTTP_DATE.match(value)):
        return "timestamp"
    if len(value) in _DIGEST_LENGTHS and _DIGEST.match(value) and not value.isdigit() and not value.isalpha():
        return "digest"
    if len(value) >= _TOKEN_CHARS_MIN and (_JWT.match(value) or (_TOKEN.match(value) and _drawn(value))):
        return "token"
    return ""


def same(one: str, other: str) -> bool:
    """Whether two texts look like the same kind of thing. One of the two may look like less: a digest may happen to have no letter."""
    if one == other:
        return True
    kinds = text(one), text(other)
    kind = kinds[0] or kinds[1]
    if kind == "digest":
        return len(one) == len(other) and bool(_DIGEST.match(one)) and bool(_DIGEST.match(other))
    if kind == "token":
        return all(len(value) >= _TOKEN_CHARS_MIN and bool(_TOKEN.match(value) or _JWT.match(value)) for value in (one, other))
    return bool(kind) and kinds[0] == kinds[1]


def _drawn(value: str) -> bool:
    has_digit = any(char.isdigit() for char in value)
    return has_digit and value.lower() != value and value.upper() != value


def same_moment(one: float, other: float) -> bool:
    """Whether both are Unix times, in seconds or in a thousandth, millionth or billionth of one, and less than a day apart."""
    for scale in (1.0, 1e3, 1e6, 1e9):
        low, high = _UNIX_S[0] * scale, _UNIX_S[1] * scale
        if low <= one < high and low <= other < high:
            return abs(one - other) < _CLOSE_S * scale
    return False


def odd_key(key: str) -> bool:
    """Whether a key of an object is an identifier, not a name: a number, or a text that looks drawn."""
    return key.isdigit() or bool(text(key))
