"""A route's local rate limit: a token bucket for each key, in one worker, which grants its share of what was configured.

A bucket is one number: the moment at which it would be full again (the generic cell rate algorithm, ITU-T I.371). The table of keys is
bounded; the key used longest ago makes room, and is counted when it still owed something, for its debt is forgotten with it.
Knows nothing of HTTP but the request that is asked about.
"""

from __future__ import annotations

from hashlib import blake2b
from math import ceil
from typing import Protocol

from proxy import limits
from proxy.model.route import RateLimit
from proxy.wire.headers import find
from proxy.wire.request import Request


class Client(Protocol):
    """Who asks."""

    def client(self, request: Request) -> bytes: ...


class Limiter:
    """One route's."""

    __slots__ = ("_burst_s", "_by", "_evicted", "_full_at", "_header", "_interval_s")

    def __init__(self, plan: RateLimit, workers: int) -> None:
        self._interval_s = plan.per_s * workers / plan.requests
        self._burst_s = (max(1.0, plan.burst / workers) - 1) * self._interval_s  # a share below one request would never grant any
        self._by = plan.key
        self._header = plan.header.encode()
        self._full_at: dict[bytes, float] = {}  # in the order of use
        self._evicted = 0

    def wait_s(self, request: Request, client: Client, now: float) -> int:
        """0 when the request may pass, and then it is counted; else whole seconds until the next of this key may."""
        key = self._key(request, client)
        table = self._full_at
        full_at = table.pop(key, now)
        if full_at < now:
            full_at = now
        over_s = full_at - now - self._burst_s
        if over_s > 1e-9:
            table[key] = full_at
            return max(1, ceil(over_s))
        if len(table) >= limits.RATE_LIMIT_KEYS_MAX:
            self._evict(now)
        table[key] = full_at + self._interval_s
        return 0

    def take_evicted(self) -> int:
        """Evictions since the last call."""
        evicted, self._evicted = self._evicted, 0
        return evicted

    def _key(self, request: Request, client: Client) -> bytes:
        if self._by == "none":
            return b""
        key = find(request.lines, self._header) or b"" if self._by == "header" else client.client(request)
        return key if len(key) <= limits.RATE_LIMIT_KEY_BYTES_MAX else blake2b(key, digest_size=16).digest()

    def _evict(self, now: float) -> None:
        oldest = next(iter(self._full_at))
        if self._full_at.pop(oldest) > now:
            self._evicted += 1
