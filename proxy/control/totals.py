"""Counters since the supervisor started, summed over workers and their restarts.

Counters never go back: a worker sends differences, and what a dead one had sent stays. Levels (in flight, connections) are the sum
over living workers' last words. Label sets are those of the configuration: ``keep`` names them, and all else is refused or dropped.
Knows nothing of Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from proxy.telemetry.histogram import merge
from proxy.telemetry.snapshot import CellDelta, EndpointState, ShadowDelta, Snapshot

Key = tuple[str, str]
"""(service, version)."""


class CellTotal(msgspec.Struct):
    """All counted for one version: requests by status code, failures by cause, latency by bucket (``telemetry.histogram``)."""

    requests: dict[int, int] = {}
    failures: dict[str, int] = {}
    latency: dict[int, int] = {}
    latency_sum_s: float = 0.0
    retries: int = 0
    retries_refused: int = 0
    fallbacks: int = 0
    limited: int = 0
    tunnel_bytes: tuple[int, int] = (0, 0)
    """From clients, from origins."""

    def add(self, delta: CellDelta) -> None:
        """Add one worker's difference."""
        merge(self.requests, delta.requests)
        merge(self.latency, delta.latency)
        for cause, count in delta.failures.items():
            self.failures[cause] = self.failures.get(cause, 0) + count
        self.latency_sum_s += delta.latency_sum_s
        self.retries += delta.retries
        self.retries_refused += delta.retries_refused
        self.fallbacks += delta.fallbacks
        self.limited += delta.limited
        self.tunnel_bytes = (self.tunnel_bytes[0] + delta.tunnel_bytes[0], self.tunnel_bytes[1] + delta.tunnel_bytes[1])


class EndpointLevel(msgspec.Struct):
    """One endpoint over all workers; ``healthy``: any worker reaches it, ``everywhere``: all do, ``asked``: all have seen that."""

    active: int = 0
    idle: int = 0
    tunnels: int = 0
    healthy: bool = False
    everywhere: bool = True
    asked: bool = True


class ListenerTotal(msgspec.Struct):
    """One listener over all workers. ``connections``, ``tls_error`` and ``tls_expires_s`` (0: no TLS) are as of now."""

    connections: int = 0
    refused: int = 0
    unproven: int = 0
    tls_error: str = ""
    tls_expires_s: float = 0.0


class ShadowTotal(msgspec.Struct):
    """Copies for one version. Each of ``sampled`` has one of ``results`` or was ``dropped`` for a reason, or is ``in_flight`` now."""

    sampled: int = 0
    results: dict[str, int] = {}
    dropped: dict[str, int] = {}
    in_flight: int = 0

    def add(self, delta: ShadowDelta) -> None:
        """Add one worker's difference."""
        self.sampled += delta.sampled
        for mine, its in ((self.results, delta.results), (self.dropped, delta.dropped)):
            for key, count in its.items():
                mine[key] = mine.get(key, 0) + count


class Totals:
    """The sums. ``cells`` has every version of the configuration, those without traffic included."""

    def __init__(self) -> None:
        self.cells: dict[Key, CellTotal] = {}
        self.unmatched: dict[int, int] = {}
        self.own: dict[str, dict[int, int]] = {}
        """Answers of the proxy itself by service and code, where a version was not yet chosen."""
        self.rate_keys_evicted = 0
        self._listeners: dict[str, ListenerTotal] = {}
        self.clients_refused = 0
        self.spans_dropped = 0
        self.access_log_dropped = 0
        self.replays_refused = 0
        self.reports_lost = 0
        """Holes in the numbering of reports: counts that a worker sent and nobody got."""
        self.lookups_failed: dict[tuple[str, str, str], int] = {}
        """By (service, version, endpoint), of endpoints that are host names."""
        self._shadows: dict[Key, ShadowTotal] = {}
        self._endpoints: frozenset[tuple[str, str, str]] = frozenset()
        self._last: dict[int, Snapshot] = {}
        self._in_flight: dict[int, dict[Key, int]] = {}
        """By slot. A worker speaks of a version only when something about it has changed, so its last word stands."""

    def keep(self, versions: Iterable[Key], endpoints: Iterable[tuple[str, str, str]]) -> None:
        """The series there are from now on: (service, version) and (service, version, endpoint)."""
        self.cells = {key: self.cells.get(key) or CellTotal() for key in versions}
        self.own = {service: self.own.get(service, {}) for service, _ in self.cells}
        self._shadows = {key: total for key, total in self._shadows.items() if key in self.cells}
        self._endpoints = frozenset(endpoints)
        self.lookups_failed = {key: count for key, count in self.lookups_failed.items() if key in self._endpoints}
        for levels in self._in_flight.values():
            for key in levels.keys() - self.cells.keys():
                del levels[key]

    def add(self, slot: int, snapshot: Snapshot) -> None:
        """Count one report of the worker in ``slot``."""
        last = self._last.get(slot)
        if last is not None and snapshot.sequence > last.sequence + 1:
            self.reports_lost += snapshot.sequence - last.sequence - 1
        self._last[slot] = snapshot
        for shadow in snapshot.shadows:
            if (shadow.service, shadow.version) in self.cells:
                self._shadows.setdefault((shadow.service, shadow.version), ShadowTotal()).add(shadow)
        for cell in snapshot.cells:
            total = self.cells.get((cell.service, cell.version))
            if total is not None:  # a version that has left the configuration may still finish a request
                total.add(cell)
                self._in_flight.setdefault(slot, {})[cell.service, cell.version] = cell.in_flight
        for state in snapshot.endpoints:
            key = (state.service, state.version, state.endpoint)
            if state.lookups_failed is not None and key in self._endpoints:
                self.lookups_failed[key] = self.lookups_failed.get(key, 0) + state.lookups_failed
        for listener in snapshot.listeners:
            door = self._listeners.setdefault(listener.name, ListenerTotal())
            door.refused += listener.refused
            door.unproven += listener.unproven
        merge(self.unmatched, snapshot.unmatched)
        for service, codes in snapshot.own.items():
            if service in self.own:  # a service that has left the configuration may still be asked for
                merge(self.own[service], codes)
        self.rate_keys_evicted += snapshot.rate_keys_evicted
        self.clients_refused += snapshot.clients_refused
        self.spans_dropped += snapshot.spans_dropped
        self.access_log_dropped += snapshot.access_log_dropped
        self.replays_refused += snapshot.replays_refused

    def down(self, slot: int) -> None:
        """The worker in ``slot`` ended: its levels are zero, its counts stay."""
        self._last.pop(slot, None)
        self._in_flight.pop(slot, None)

    def in_flight(self) -> dict[Key, int]:
        """Requests in flight now, by version."""
        return {key: self.in_flight_of(key) for key in self.cells}

    def in_flight_of(self, key: Key) -> int:
        """Requests in flight now of one version."""
        return sum(levels.get(key, 0) for levels in self._in_flight.values())

    def listeners(self) -> dict[str, ListenerTotal]:
        """By name. The certificate that expires first and any worker's complaint stand for all workers."""
        now = {name: ListenerTotal(refused=total.refused, unproven=total.unproven) for name, total in self._listeners.items()}
        for snapshot in self._last.values():
            for state in snapshot.listeners:
                total = now[state.name]
                total.connections += state.connections
                total.tls_error = total.tls_error or state.tls_error
                total.tls_expires_s = min(total.tls_expires_s or state.tls_expires_s, state.tls_expires_s or total.tls_expires_s)
        return now

    def shadows(self) -> dict[Key, ShadowTotal]:
        """By version that copies went to; one that never got any is absent."""
        levels: dict[Key, int] = {}
        for snapshot in self._last.values():
            for shadow in snapshot.shadows:
                levels[shadow.service, shadow.version] = levels.get((shadow.service, shadow.version), 0) + shadow.in_flight
        for key, total in self._shadows.items():
            total.in_flight = levels.get(key, 0)
        return self._shadows

    def downstream_connections(self) -> int:
        """Client connections now."""
        return sum(snapshot.downstream_connections for snapshot in self._last.values())

    def endpoints(self) -> dict[tuple[str, str, str], EndpointLevel]:
        """Levels by (service, version, endpoint); an endpoint no worker has spoken of yet is absent."""
        levels: dict[tuple[str, str, str], EndpointLevel] = {}
        for state in self._endpoint_states():
            key = (state.service, state.version, state.endpoint)
            if key in self._endpoints:
                level = levels.setdefault(key, EndpointLevel())
                level.active += state.active
                level.idle += state.idle
                level.tunnels += state.tunnels
                level.healthy = level.healthy or state.healthy
                level.everywhere = level.everywhere and state.healthy
                level.asked = level.asked and state.asked
        return levels

    def _endpoint_states(self) -> Iterable[EndpointState]:
        for snapshot in self._last.values():
            yield from snapshot.endpoints
