"""Atomic switches as people and dashboards are told of them: how long each took, who waited, the last to the old, the first to the new.

Since the start of this process, by service; what must last is in the history. Knows nothing of how a switch is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.clock import Clock
from proxy.telemetry import histogram
from proxy.telemetry.cutover import Cutover


class Switch(msgspec.Struct, frozen=True):
    """One switch. Times ``*_at_s`` are Unix time. ``took_s`` is from the decision until the last worker had switched.

    ``hold_s_max`` and ``hold_s_p99`` are of the ``held`` requests that waited. ``old_last_at_s`` is None when the old version had no
    request after ``watched_at_s``, ``new_first_at_s`` while the new one has had none; ``gap_s`` lies between the two. ``tries`` is how
    often the barrier had to be raised; more than once when a worker, or the supervisor, was slow.
    """

    generation: int
    at_s: float
    took_s: float
    held: int
    left: int
    hold_s_max: float
    hold_s_p99: float | None
    watched_at_s: float
    old_last_at_s: float | None
    new_first_at_s: float | None
    gap_s: float | None
    tries: int = 1

    @classmethod
    def seen(cls, cutover: Cutover, generation: int, took_s: float, clock: Clock, tries: int = 1) -> Switch:
        """What all workers saw, on the clock that people read."""
        now, wall = clock.now(), clock.wall()
        old_last = cutover.old_last_s and wall - now + cutover.old_last_s
        new_first = cutover.new_first_s and wall - now + cutover.new_first_s
        p99 = histogram.quantile(cutover.holds, 0.99)
        return cls(
            generation=generation,
            at_s=wall,
            took_s=took_s,
            held=cutover.held,
            left=cutover.left,
            hold_s_max=cutover.hold_s_max,
            hold_s_p99=p99 if p99 is None else min(p99, cutover.hold_s_max),
            watched_at_s=wall - now + cutover.watched_s,
            old_last_at_s=old_last or None,
            new_first_at_s=new_first or None,
            gap_s=new_first - old_last if new_first and old_last else None,
            tries=tries,
        )

    def figures(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Counts:
    """All switches of one service."""

    def __init__(self) -> None:
        self.count = 0
        self.holds: dict[int, int] = {}
        self.hold_s_sum = 0.0
        self.last: Switch | None = None


class Switches:
    """Of every service that has been switched and still exists."""

    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}

    def add(self, cutover: Cutover, generation: int, took_s: float, clock: Clock, tries: int = 1) -> Switch:
        """A switch is over."""
        switch = Switch.seen(cutover, generation, took_s, clock, tries)
        counts = self._counts.setdefault(cutover.service, Counts())
        counts.count += 1
        histogram.merge(counts.holds, cutover.holds)
        counts.hold_s_sum += cutover.hold_s_sum
        counts.last = switch
        return switch

    def first(self, service: str, at_s: float, clock: Clock) -> None:
        """A worker's first request of a service since its switch, of which none had waited there; ``at_s`` is monotonic."""
        counts = self._counts.get(service)
        last = counts.last if counts is not None else None
        at = clock.wall() - clock.now() + at_s
        if counts is None or last is None or at < last.watched_at_s or at >= (last.new_first_at_s or inf):
            return
        gap_s = at - last.old_last_at_s if last.old_last_at_s is not None else None
        counts.last = replace(last, new_first_at_s=at, gap_s=gap_s)

    def of(self, service: str) -> Counts:
        """Those of a service; nothing counted when it has had none."""
        return self._counts.get(service) or Counts()

    def keep(self, services: Iterable[str]) -> None:
        """Forget those of services that are no more."""
        kept = set(services)
        self._counts = {name: counts for name, counts in self._counts.items() if name in kept}
