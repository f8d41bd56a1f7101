"""Host names to addresses and how long they hold, off the loop's thread.

Facts. c-ares reads /etc/hosts, search domains and nameservers as the system's resolver does, and tells the TTL (RFC 1035 3.2.1),
which getaddrinfo keeps to itself. It does not know the system's other sources (mDNS, LDAP), so where no nameserver was configured a
name that it cannot find is looked up by getaddrinfo too. ``localhost`` and what is below it never leave the machine (RFC 6761 6.3).
Knows nothing of what names are for, and remembers none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy import limits

if TYPE_CHECKING:
    import pycares


class Answer(NamedTuple):
    """Addresses of a host, and for how many seconds they hold."""

    addresses: list[str]
    ttl_s: float


class _Line:
    """A way to certain nameservers, and how many lookups are under way on it."""

    __slots__ = ("asking", "channel")

    def __init__(self, channel: pycares.Channel) -> None:
        self.channel = channel
        self.asking = 0


class Resolver:
    """Call it with a host. Raises OSError when that has no address, or nobody said."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._nameservers: tuple[str, ...] = ()
        self._line: _Line | None = None
        self._old: set[_Line] = set()  # lookups under way on them may end

    def use(self, nameservers: tuple[str, ...]) -> None:
        """Ask these (``address:port``) from the next lookup on; none: those of the system."""
        if nameservers != self._nameservers:
            line, self._line = self._line, None
            if line is not None:
                self._old.add(line)
                self._tidy(line)
            self._nameservers = nameservers

    def close(self) -> None:
        """Lookups under way fail."""
        for line in (*self._old, *([self._line] if self._line is not None else ())):
            line.channel.close()
        self._old.clear()
        self._line = None

    def _tidy(self, line: _Line) -> None:
        if line in self._old and not line.asking:
            self._old.remove(line)
            line.channel.close()

    async def __call__(self, host: str) -> Answer:
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return await self._system(host)
        try:
            return await self._ask(host)
        except OSError:
            if self._nameservers:
                raise
            return await self._system(host)

    async def _system(self, host: str) -> Answer:
        found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return Answer([str(entry[4][0]) for entry in found], limits.RESOLVE_AGAIN_S)

    async def _ask(self, host: str) -> Answer:
        import pycares  # 20 ms and 4 MiB of every worker, and most have addresses only

        line = self._line
        if line is None:
            # Files, then DNS. It has a thread of its own, as it is given no way to use the loop's.
            line = self._line = _Line(pycares.Channel(servers=self._nameservers or None, lookups="fb"))
        answered: asyncio.Future[Any] = self._loop.create_future()

        def settle(result: Any, error: int | None) -> None:
            if answered.done():
                return
            if error is None:
                answered.set_result(result)
            else:
                answered.set_exception(OSError(f"{host}: {_text(pycares.errno.strerror(error))}"))

        def heard(result: Any, error: int | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(settle, result, error)

        line.asking += 1
        try:
            line.channel.getaddrinfo(host, None, type=socket.SOCK_STREAM, callback=heard)
            nodes = (await answered).nodes
        finally:
            line.asking -= 1
            self._tidy(line)
        addresses = [_text(node.addr[0]) for node in nodes]
        ttl_s = min((float(node.ttl) for node in nodes), default=0.0)
        return Answer(addresses, min(max(ttl_s, limits.RESOLVE_TTL_S_MIN), limits.RESOLVE_TTL_S_MAX))


def _text(given: str | bytes) -> str:
    return given.decode() if isinstance(given, bytes) else given
