"""What a forwarded request head looks like: the client's own lines, and ours that say who asked.

Facts. RFC 9110 section 7.6.3: Via is appended by every proxy, and shows a loop. X-Forwarded-* are believed from trusted peers only and
overwritten otherwise (rule 27), RFC 7239's Forwarded alike. Framing is written anew from parsed values (rule 24).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

from proxy.wire.request import Request

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@\-]{1,128}")
_PROTO = re.compile(rb"https?", re.IGNORECASE)

_PLAIN = b"%b\r\nX-Forwarded-Host: %b\r\nVia: %b\r\nX-Request-Id: "  # what ``Peer._lines`` makes for most requests

Networks = tuple[IPv4Network | IPv6Network, ...]


class Peer:
    """Facts of one client connection: its address, whether it may speak for others, the lines that never change on it."""

    __slots__ = ("_authority", "_certificate", "_for_line", "_networks", "_plain", "_scheme", "_via", "address", "trusted")

    def __init__(
        self, address: str, networks: Networks, pseudonym: bytes, *, scheme: bytes = b"http", certificate: bytes = b""
    ) -> None:
        """``address`` is a bare IP, or empty on a unix socket, which only local peers reach and is therefore trusted.

        ``certificate`` is what X-Forwarded-Client-Cert says of the client's verified certificate, empty without one.
        """
        self.address = address.encode()
        self._networks = networks
        self.trusted = not address or inside(address, networks)
        self._scheme = scheme
        self._certificate = b"X-Forwarded-Client-Cert: " + certificate if certificate else b""
        self._for_line = b"X-Forwarded-For: " + (self.address or b"unknown") + b"\r\nX-Forwarded-Proto: " + scheme
        if certificate:
            self._for_line += b"\r\n" + self._certificate
        self._via = b"1.1 " + pseudonym
        self._authority = b""
        self._plain = b""  # our lines for a plain request to ``_authority``: a connection rarely changes its mind about the host

    def client(self, request: Request) -> bytes:
        """The address of the client itself: the last one in X-Forwarded-For that no trusted proxy vouches for, else the peer."""
        if not self.trusted or not request.forwarded_for:
            return self.address
        hops = [hop.strip() for value in request.forwarded_for for hop in value.split(b",")]
        for hop in reversed(hops):
            if not inside(hop.decode("latin-1"), self._networks):
                return hop
        return hops[0]

    def head(self, request: Request, request_id: bytes, host_line: bytes) -> bytes:
        """The whole head for the origin. ``host_line`` stands in for the Host that an HTTP/1.0 client did not send."""
        onward = request.onward
        if onward is None:
            if not request.plain or self.trusted:
                lines = b"\r\n".join(self._lines(request, host_line))
            elif request.authority == self._authority:
                lines = self._plain
            else:
                self._authority = request.authority
                lines = self._plain = _PLAIN % (self._for_line, request.authority, self._via)
            onward = request.onward = request.rest + lines
        return request.start.line + onward + request_id + b"\r\n\r\n"

    def _lines(self, request: Request, host_line: bytes) -> list[bytes]:
        """Our lines, down to the one that takes the request id."""
        lines = [] if request.host else [host_line]
        if self.trusted:
            self._trusted_lines(request, lines)
        else:
            lines.append(self._for_line)
            if request.authority:
                lines.append(b"X-Forwarded-Host: " + request.authority)
        lines.append(b"Via: " + (request.via + b", " if request.via else b"") + self._via)
        if request.length:
            lines.append(b"Content-Length: %d" % request.length if request.length > 0 else b"Transfer-Encoding: chunked")
            if request.expect_continue:
                lines.append(b"Expect: 100-continue")
        if request.upgrade:
            lines += (b"Connection: Upgrade", b"Upgrade: " + request.upgrade)
        elif request.te_trailers:
            lines += (b"TE: trailers", b"Connection: TE")
        lines.append(b"X-Request-Id: ")
        return lines

    def _trusted_lines(self, request: Request, lines: list[bytes]) -> None:
        hops = [*request.forwarded_for, *((self.address,) if self.address else ())]
        if hops:
            lines.append(b"X-Forwarded-For: " + b", ".join(hops))
        proto = request.forwarded_proto
        lines.append(b"X-Forwarded-Proto: " + (proto.lower() if _PROTO.fullmatch(proto) else self._scheme))
        host = request.forwarded_host or request.authority
        if host:
            lines.append(b"X-Forwarded-Host: " + host)
        if self._certificate:
            lines.append(self._certificate)
            lines += (line for line in request.forwarded if not line.lower().startswith(b"x-forwarded-client-cert"))
        else:
            lines += request.forwarded


def inside(address: str, networks: Networks) -> bool:
    """Whether an IP address is in one of the networks; what is no address is in none."""
    if not networks:
        return False  # most listeners trust nobody, and reading an address costs more than a connection's lines
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)  # a dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d
    return any(ip in network or (mapped is not None and mapped in network) for network in networks)


_HEX4 = tuple(b"%04x" % n for n in range(0x10000))


class RequestIds:
    """Ids for requests that bring none: 128 bits as hex, unique by a random prefix for each block of 65,536 and a counter."""

    __slots__ = ("_bits", "_count", "_prefix")

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits
        self._count = 0xFFFF

    def keep_or_make(self, given: bytes) -> bytes:
        """The client's id when it is short and printable, else a new one."""
        if given and _REQUEST_ID.fullmatch(given):
            return given
        count = self._count = (self._count + 1) & 0xFFFF
        if not count:
            self._prefix = b"%028x" % self._bits(112)
        return self._prefix + _HEX4[count]
