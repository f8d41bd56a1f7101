"""Two bodies, compared by what they are: JSON by path, text by its first difference, anything else by digest. Codings are taken off.

What cannot be taken off, or would be larger than ``limits.COMPARED_BODY_BYTES_MAX``, is compared as it came.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from proxy import limits
from proxy.shadow.json_diff import Difference, Text, differences, shown
from proxy.shadow.reply import Reply

_WINDOW: Final = {b"gzip": zlib.MAX_WBITS | 16, b"x-gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}
"""What ``zlib`` wants to hear for a content coding (RFC 9110 section 8.4.1; RFC 1950 and RFC 1952)."""

_TEXT: Final = (b"text/", b"application/javascript", b"application/xml", b"application/xhtml+xml", b"image/svg+xml")


def body_differences(original: Reply, copy: Reply) -> Iterator[Difference]:
    """Differences of two bodies: JSON's paths begin with ``$``, those of anything else are ``body``."""
    if original.body == copy.body and original.size == copy.size and _coding(original) == _coding(copy):
        return
    if not (original.whole and copy.whole):
        yield from _cut(original, copy)
        return
    one, other = decoded(original), decoded(copy)
    if one == other:
        return
    kind = media_type(original)
    if is_json(kind) and is_json(media_type(copy)):
        try:
            yield from differences(_json(one), _json(other))
        except (ValueError, RecursionError):  # not JSON, whatever it says, or deeper than anybody reads
            yield Difference("body", "value", _digest(one), _digest(other))
    elif kind.startswith(_TEXT):
        yield Difference("body", "value", *first_difference(one, other))
    else:
        yield Difference("body", "value", _digest(one), _digest(other))


def _cut(original: Reply, copy: Reply) -> Iterator[Difference]:
    """Bodies that are not kept whole: sizes tell when both are plain, and the beginning tells in any case."""
    common = min(len(original.body), len(copy.body))
    plain = not _coding(original) and not _coding(copy)
    if plain and (original.size != copy.size or original.body[:common] != copy.body[:common]):
        yield Difference("body", "value", Text(f"{original.size} bytes"), Text(f"{copy.size} bytes"))


def media_type(reply: Reply) -> bytes:
    """The media type in lower case, without its parameters."""
    return reply.header(b"content-type").partition(b";")[0].strip().lower()


def is_json(media: bytes) -> bool:
    """Whether a media type is JSON or says so by its suffix (RFC 6838 section 4.2.8)."""
    return media in (b"application/json", b"text/json") or media.endswith(b"+json")


def _coding(reply: Reply) -> bytes:
    return reply.header(b"content-encoding").strip().lower().replace(b"identity", b"")


def decoded(reply: Reply) -> bytes:
    """The body without its content coding; as it came when that is unknown, broken, or hides more than may be compared."""
    window = _WINDOW.get(_coding(reply))
    if window is None:
        return reply.body
    inflate = zlib.decompressobj(window)
    try:
        plain = inflate.decompress(reply.body, limits.COMPARED_BODY_BYTES_MAX)
    except zlib.error:
        return reply.body
    return plain if inflate.eof else reply.body


def _json(body: bytes) -> Any:
    return json.loads(body, parse_constant=_refuse)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON (RFC 8259 section 6)")


def first_difference(original: bytes, copy: bytes) -> tuple[Text, Text]:
    """The surroundings of the first byte in which two texts differ, from both."""
    at = next((i for i, (a, b) in enumerate(zip(original, copy, strict=False)) if a != b), min(len(original), len(copy)))
    begin = max(0, at - limits.DIFFERENCE_CHARS_MAX // 4)
    end = begin + limits.DIFFERENCE_CHARS_MAX // 2
    one, other = (Text(shown(body[begin:end].decode("utf-8", "replace"))) for body in (original, copy))
    return one, other


def _digest(body: bytes) -> Text:
    return Text(f"{len(body)} bytes, sha256 {sha256(body).hexdigest()[:16]}")
