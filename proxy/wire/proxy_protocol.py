"""The PROXY protocol, versions 1 and 2: who a connection really came from, said by the proxy in front before the first byte.

Facts (HAProxy's proxy-protocol.txt, 2.1 and 2.2). Version 1 is one line of at most 107 bytes: ``PROXY TCP4 source destination port
port CRLF``, or ``PROXY UNKNOWN``. Version 2 is a signature of 12 bytes, version and command, family and protocol, a length and as
many bytes. LOCAL and UNKNOWN mean the connection is the proxy's own. Strict: whatever else it is refuses the connection.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from proxy.errors import HeadgateError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
FIRST_BYTES: Final = len(SIGNATURE)  # enough to tell the versions apart, and fewer than the shortest header has
V1_BYTES_MAX: Final = 107
V2_REST_BYTES: Final = 4
V2_BODY_BYTES_MAX: Final = 4096  # addresses take 36 or 216; the rest is optional fields, of which a certificate is the longest

_V1 = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [\x20-\x7e]*)?\r\n")


class BadProxyHeader(HeadgateError):
    """What arrived is not a PROXY header."""


class Source(NamedTuple):
    """Where the connection came from; an empty ``address`` is the proxy itself."""

    address: str
    port: int = 0


def read_v1(line: bytes) -> Source:
    """The source in a version 1 line, its CRLF included. Raises BadProxyHeader."""
    if len(line) > V1_BYTES_MAX:
        raise BadProxyHeader("version 1 header is over 107 bytes")
    found = _V1.fullmatch(line)
    if found is None:
        if _V1_UNKNOWN.fullmatch(line):
            return Source("")
        raise BadProxyHeader("malformed version 1 header")
    try:
        addresses = [ip_address(found[place].decode()) for place in (2, 3)]
    except ValueError:
        raise BadProxyHeader("malformed address") from None
    wanted = 4 if found[1] == b"TCP4" else 6
    ports = [int(found[4]), int(found[5])]
    if any(address.version != wanted for address in addresses) or max(ports) > 65535:
        raise BadProxyHeader("addresses do not fit their family")
    return Source(str(addresses[0]), ports[0])


def v2_length(head: bytes) -> int:
    """How many bytes follow the 16 of a version 2 header. Raises BadProxyHeader."""
    if head[: len(SIGNATURE)] != SIGNATURE or head[12] not in (0x20, 0x21):
        raise BadProxyHeader("malformed version 2 header")
    length = int.from_bytes(head[14:16], "big")
    if length > V2_BODY_BYTES_MAX:
        raise BadProxyHeader("version 2 header is too long")
    return length


def read_v2(head: bytes, body: bytes) -> Source:
    """The source in a version 2 header of 16 bytes and ``body``. Raises BadProxyHeader."""
    if head[12] == 0x20:  # LOCAL: the proxy's own health check
        return Source("")
    family = head[13]
    if family == 0x11 and len(body) >= 12:
        return Source(str(IPv4Address(body[:4])), int.from_bytes(body[8:10], "big"))
    if family == 0x21 and len(body) >= 36:
        return Source(str(IPv6Address(body[:16])), int.from_bytes(body[32:34], "big"))
    if family == 0x00:
        return Source("")
    raise BadProxyHeader("a family other than TCP over IPv4 or IPv6")
