"""The addresses behind a host name, looked up ahead of need and again as their TTL ends, so that a connection never waits for DNS.

What was known is kept while a lookup fails. An address that did not answer is tried last for a while.
Knows nothing of connections: their owner is told of changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from random import random
from time import perf_counter

from proxy import limits
from proxy.dataplane.resolver import Answer

Resolve = Callable[[str], Awaitable[Answer]]
"""Addresses of a host, and how long they hold. Raises OSError."""


def is_name(host: str) -> bool:
    """Whether ``host`` has to be looked up."""
    try:
        ip_address(host)
    except ValueError:
        return bool(host)
    return False


class Name:
    """One host name. ``addresses`` is what the last lookup that succeeded gave, and ``ttl_s`` for how long that holds.

    ``error`` says why the last lookup came to nothing, empty if it did not; ``failures`` counts those that did.
    """

    __slots__ = ("_failed", "_host", "_on_change", "_resolve", "_turn", "addresses", "error", "failures", "ttl_s")

    def __init__(self, host: str, resolve: Resolve, on_change: Callable[[], None]) -> None:
        self._host = host
        self._resolve = resolve
        self._on_change = on_change
        self._turn = 0
        self._failed: dict[str, float] = {}
        self.addresses: tuple[str, ...] = ()
        self.ttl_s = limits.RESOLVE_AGAIN_S
        self.error = ""
        self.failures = 0

    async def in_turn(self) -> list[str]:
        """The addresses in the order in which to try them: each is the first in its turn. Raises OSError when none was ever found."""
        if not self.addresses:
            try:
                await self._look_up()
            except asyncio.CancelledError:  # whoever needs a connection waits no longer
                self._complain("no answer in time")
                raise
        self._turn += 1
        at = self._turn % len(self.addresses)
        now = perf_counter()
        return sorted(self.addresses[at:] + self.addresses[:at], key=lambda address: self._failed.get(address, now) > now)

    def failed(self, address: str) -> None:
        """No connection to it came about."""
        if address in self.addresses:
            self._failed[address] = perf_counter() + limits.ADDRESS_FAILED_S

    async def run(self) -> None:
        """Keep the addresses fresh, for ever."""
        while True:
            # Workers do not march in step; and not sooner than the TTL, for a cache would say the same again.
            await asyncio.sleep(self.ttl_s * (1.0 + 0.1 * random()))
            await self.refresh()

    async def refresh(self) -> None:
        """Look the name up again; while that fails what was known stays, and the next try does not wait for a long TTL."""
        try:
            await self._look_up()
        except OSError:
            self.ttl_s = min(self.ttl_s, limits.RESOLVE_AGAIN_S)

    async def _look_up(self) -> None:
        try:
            answer = await self._resolve(self._host)
            found = tuple(sorted(set(answer.addresses)))[: limits.ADDRESSES_PER_NAME_MAX]
            if not found:
                raise OSError(f"{self._host} has no address")
        except OSError as error:
            self._complain(error.strerror or str(error))
            raise
        self.error = ""
        self.ttl_s = answer.ttl_s
        self._failed = {address: until for address, until in self._failed.items() if address in found}
        changed = found != self.addresses and bool(self.addresses)
        self.addresses = found
        if changed:
            self._on_change()

    def _complain(self, why: str) -> None:
        self.failures += 1
        self.error = why
