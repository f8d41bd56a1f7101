"""What workers saw of an atomic switch: who waited and for how long, the last request to the old version, the first to the new.

Merging is over workers, in any order. Knows nothing of how requests are held.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from proxy.telemetry import histogram


class Cutover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One worker's, or all workers', view of the switch of ``service``.

    Times are of the machine's monotonic clock, which is one for all processes; 0: there was none. ``watched_s`` is since when requests
    were looked at, so ``old_last_s`` is 0 when the old version had no request after it; ``new_first_s`` is 0 when no request waited.
    ``held`` requests waited, ``hold_s_max`` at most and ``hold_s_sum`` together; ``holds`` maps histogram buckets to counts. ``left``
    more had clients that did not wait for it. Requests that an override sends to a version are no draws, so neither the last nor the
    first.
    """

    service: str
    watched_s: float = 0.0
    held: int = 0
    left: int = 0
    hold_s_max: float = 0.0
    hold_s_sum: float = 0.0
    holds: dict[int, int] = {}
    old_last_s: float = 0.0
    new_first_s: float = 0.0


def merged(cutovers: Iterable[Cutover]) -> dict[str, Cutover]:
    """What all workers saw together, by service."""
    together: dict[str, Cutover] = {}
    for one in cutovers:
        other = together.get(one.service)
        together[one.service] = one if other is None else _both(one, other)
    return together


def _both(one: Cutover, other: Cutover) -> Cutover:
    holds = dict(one.holds)
    histogram.merge(holds, other.holds)
    return Cutover(
        service=one.service,
        watched_s=max(one.watched_s, other.watched_s),  # only since then are all of them watching
        held=one.held + other.held,
        left=one.left + other.left,
        hold_s_max=max(one.hold_s_max, other.hold_s_max),
        hold_s_sum=one.hold_s_sum + other.hold_s_sum,
        holds=holds,
        old_last_s=max(one.old_last_s, other.old_last_s),
        new_first_s=min(filter(None, (one.new_first_s, other.new_first_s)), default=0.0),
    )
