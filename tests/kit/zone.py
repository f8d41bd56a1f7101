"""A small DNS server on loopback whose answers a test sets: A records of every name, their TTL, or a failure (RFC 1035 4.1)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

A = 1
SERVFAIL = 2


class Zone(asyncio.DatagramProtocol):
    """``addresses`` (IPv4) and ``ttl_s`` are what it answers; no address is SERVFAIL. ``asked`` counts
    the questions for an A record. While it is ``silent`` it keeps them, until it is to ``speak``."""

    def __init__(self, *addresses: str, ttl_s: int = 1) -> None:
        self.addresses = list(addresses)
        self.ttl_s = ttl_s
        self.asked = 0
        self.nameserver = ""
        self.silent = False
        self._kept: list[tuple[bytes, Any]] = []
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.nameserver = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.answer(data)
        if self.silent:
            self._kept.append((answer, addr))
        else:
            self._transport.sendto(answer, addr)

    def speak(self) -> None:
        """Answer what was asked meanwhile, and what will be."""
        self.silent = False
        for answer, addr in self._kept:
            self._transport.sendto(answer, addr)

    def answer(self, question: bytes) -> bytes:
        """The message that answers ``question``; what it asks for beside A has no records."""
        end = question.index(b"\0", 12) + 5
        wanted = struct.unpack("!H", question[end - 4 : end - 2])[0]
        self.asked += wanted == A
        given = self.addresses if wanted == A else []
        code = 0 if self.addresses else SERVFAIL
        head = question[:2] + struct.pack("!5H", 0x8580 | code, 1, len(given), 0, 0)  # a reply, with authority
        records = [struct.pack("!3HIH", 0xC00C, A, 1, self.ttl_s, 4) + socket.inet_aton(address) for address in given]
        return head + question[12:end] + b"".join(records)


@asynccontextmanager
async def serving_zone(*addresses: str, ttl_s: int = 1) -> AsyncIterator[Zone]:
    """A zone that is served; its ``nameserver`` says where."""
    transport, zone = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Zone(*addresses, ttl_s=ttl_s), local_addr=("127.0.0.1", 0)
    )
    try:
        yield zone
    finally:
        transport.close()
