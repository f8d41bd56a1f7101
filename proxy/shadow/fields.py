"""Two answers' header fields, compared by rule: which always differ, which are sets, and which say what the answer is.

Facts (RFC 9110, RFC 9111, RFC 6265)
------------------------------------
- Date and Age are of the moment (RFC 9110 section 6.6.1, RFC 9111 section 5.1); hop-by-hop fields and framing are of the connection
  (RFC 9110 section 7.6.1), so are Via and Server of who answers.
- ETag and Last-Modified are opaque (RFC 9110 section 8.8): whether there is one matters, which does not.
- Vary, Allow and Cache-Control are lists whose order says nothing (RFC 9110 section 5.6.1, RFC 9111 section 5.2).
- A cookie's value is a secret that is drawn; its name and attributes are written (RFC 6265 section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.shadow import looks
from proxy.shadow.json_diff import NOTHING, Difference, Text
from proxy.shadow.reply import Reply

OF_THE_MOMENT: Final = frozenset(
    b"date age expires connection keep-alive transfer-encoding content-length content-encoding via server "
    b"x-request-id x-correlation-id x-amzn-trace-id x-b3-traceid traceparent tracestate "
    b"server-timing x-runtime x-response-time x-served-by x-headgate-version alt-svc report-to nel".split()
)
"""Never compared. A length is that of the body, which is compared itself, after decoding."""

PRESENT: Final = frozenset((b"etag", b"last-modified"))
"""Compared by whether they are there."""

SETS: Final = frozenset((b"vary", b"allow", b"cache-control", b"access-control-allow-methods", b"access-control-allow-headers"))
"""Compared as sets of their members, without case where that says nothing."""


def differences(original: Reply, copy: Reply) -> Iterator[Difference]:
    """Differences of two heads, each under ``header:NAME``; a cookie's under ``header:set-cookie[NAME]``."""
    names = dict.fromkeys(name for name, _ in (*original.headers, *copy.headers))
    for name in names:
        if name in OF_THE_MOMENT or name == b"set-cookie":
            continue
        yield from _field(name, original.header(name), copy.header(name), _has(original, name), _has(copy, name))
    yield from _cookies(_set_cookies(original), _set_cookies(copy))


def _has(reply: Reply, name: bytes) -> bool:
    return any(key == name for key, _ in reply.headers)


def _field(name: bytes, original: bytes, copy: bytes, here: bool, there: bool) -> Iterator[Difference]:
    path = f"header:{name.decode('latin-1')}"
    if here != there:
        yield Difference(path, "missing" if here else "extra", _text(original), _text(copy))
    elif name not in PRESENT and _means(name, original) != _means(name, copy):
        yield Difference(path, "value", _text(original), _text(copy))


def _text(value: bytes) -> Text:
    return Text(value.decode("latin-1"))


def _means(name: bytes, value: bytes) -> object:
    """What of a value is compared."""
    text = value.decode("latin-1").strip()
    if name in SETS:
        return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    if name == b"content-type":
        return frozenset(part.strip().lower() for part in text.split(";") if part.strip())
    if name == b"location":
        return _location(text)
    return looks.text(text) or text


def _location(text: str) -> str:
    """A redirect's target, with identifiers in its path and query by what they look like."""
    parts = text.replace("?", "/?/").replace("&", "/&/").replace("=", "/=/").split("/")
    return "/".join(looks.text(part) or part for part in parts)


def _set_cookies(reply: Reply) -> dict[str, str]:
    """Name to attributes, sorted, without the times among them."""
    cookies = {}
    for key, value in reply.headers:
        if key == b"set-cookie":
            first, *attributes = (part.strip() for part in value.decode("latin-1").split(";"))
            kept = sorted(a.lower() for a in attributes if not a.lower().startswith(("expires=", "max-age=")))
            cookies[first.partition("=")[0]] = "; ".join(kept)
    return cookies


def _cookies(original: dict[str, str], copy: dict[str, str]) -> Iterator[Difference]:
    for name in original.keys() | copy.keys():
        path = f"header:set-cookie[{name}]"
        if name not in copy:
            yield Difference(path, "missing", Text(original[name]))
        elif name not in original:
            yield Difference(path, "extra", NOTHING, Text(copy[name]))
        elif original[name] != copy[name]:
            yield Difference(path, "value", Text(original[name]), Text(copy[name]))
