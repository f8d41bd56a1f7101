"""The small grammars of routes: sizes, paths as they are forwarded, authorities, where to redirect, what a rate limit counts apart.

Text in, value or ValueError out, as ``scalars`` does it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from proxy import limits
from proxy.config import scalars
from proxy.errors import DownstreamError
from proxy.wire import target

_SIZE: Final = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
_UNIT_BYTES: Final = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_AUTHORITY: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")


class RateKey(NamedTuple):
    """``kind`` is client_ip, header or none; ``header`` the header's name in lower case."""

    kind: str
    header: str = ""


def size_bytes(text: str) -> int:
    """``0``, ``100B``, ``64KiB``, ``10MiB`` or ``1GiB`` in bytes."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        hint = f"; {text} of what? Perhaps {text}B" if text.isdecimal() else ""
        raise ValueError(f"{text!r} is no size; write a whole number with its unit, like 100B, 64KiB, 10MiB or 1GiB{hint}")
    size = int(found[1]) * _UNIT_BYTES[found[2]]
    if size > limits.BODY_LIMIT_BYTES_MAX:
        raise ValueError(f"{text} is over {shown_size(limits.BODY_LIMIT_BYTES_MAX)}; leave the key out for no limit")
    return size


def body_rate(text: str) -> int:
    """A size that comes each second, at most 1MiB."""
    rate = size_bytes(text)
    if rate > 1 << 20:
        raise ValueError(f"{text} a second would refuse clients that are merely far away; 1MiB is the most, and 0 asks for nothing")
    return rate


def shown_size(size: int) -> str:
    """The shortest text that ``size_bytes`` reads as ``size``."""
    for unit, unit_bytes in _UNIT_BYTES.items():
        if size and not size % unit_bytes:
            return f"{size // unit_bytes}{unit}"
    return "0"


def plain_path(text: str) -> str:
    """A path as it is forwarded: in the normal form, so that what is sent is what was decided on."""
    scalars.match_path(text)
    if text.startswith("//"):
        raise ValueError(f"{text!r} begins with two slashes, which reads as a host; begin it with one")
    if text.encode().translate(None, target.LEGAL):
        raise ValueError(f"{text!r} has characters in it that no path has; write them percent-encoded")
    try:
        normal = target.normalise(text.encode()).decode()
    except DownstreamError as error:
        raise ValueError(f"{text!r} is no path: {error.reason}") from None
    if normal != text:
        raise ValueError(f"{text!r} is not in its normal form; write {normal}")
    return text


def authority(text: str) -> str:
    """A host with or without a port, as a Host header has it."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or "://" in text:
        raise ValueError(f"{text!r} is no host; write a host with or without a port, like shop.example.com or shop.example.com:8443")
    host = scalars.match_host(found[1])
    if host.startswith("*"):
        raise ValueError(f"{text!r} has a `*` in it; one host is needed here")
    if found[2] is not None and not 1 <= int(found[2]) <= 65535:
        raise ValueError(f"{found[2]!r} is no port; ports are numbers from 1 to 65535")
    return host if found[2] is None else f"{host}:{found[2]}"


def location(text: str) -> str:
    """An http or https URL, as a Location header has it."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in ("http", "https"):
        raise ValueError(f"{text!r} is no http or https URL; write one like https://shop.example.com/new")
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    if rest.encode().translate(None, target.LEGAL + b"#"):
        raise ValueError(f"{text!r} has characters in it that no URL has; write them percent-encoded")
    authority(host)
    return text


def rate_key(text: str) -> RateKey:
    """``client_ip``, ``none`` or ``header:NAME``."""
    if text in ("client_ip", "none"):
        return RateKey(text)
    kind, mark, name = text.partition(":")
    if kind != "header" or not mark:
        raise ValueError(f"{text!r} is no key; write client_ip, none or header:NAME")
    return RateKey("header", scalars.header_name(name))
