"""Hours of the week in which no rollout begins or goes a step on. Pure: the moment is an argument. Knows nothing of rollouts.

A window's minutes are the zone's wall clock: it begins and ends when a clock on the wall there says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from proxy.model.rollout import FreezeWindow

WEEK_MIN = 7 * 24 * 60


def frozen_until(windows: Iterable[FreezeWindow], now: float) -> float | None:
    """The Unix time at which the freeze of ``now`` (Unix time) is over, or None when there is none.

    Windows that follow each other without a gap are one freeze. One that has no end (windows cover the week) is told until a week from
    now.
    """
    given = tuple(windows)
    until = now
    while ends := [end for window in given if (end := _end(window, until)) is not None]:
        until = max(ends)
        if until - now >= WEEK_MIN * 60:
            return now + WEEK_MIN * 60
    return until if until > now else None


def _end(window: FreezeWindow, now: float) -> float | None:
    """When ``window`` ends, if ``now`` is in it."""
    zone = _zone(window.zone)
    local = datetime.fromtimestamp(now, UTC).astimezone(zone)
    minute = local.weekday() * 24 * 60 + local.hour * 60 + local.minute
    length = (window.end_min - window.start_min) % WEEK_MIN
    into = (minute - window.start_min) % WEEK_MIN
    if into >= length:
        return None
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    left = length - into + local.hour * 60 + local.minute
    wall = midnight + timedelta(minutes=left)
    # Of an hour that comes twice the second one, and of one that is skipped what would be later: a freeze is never told too short.
    end = max(wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return end if end > now else None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def told(until: float, windows: Iterable[FreezeWindow]) -> str:
    """When a freeze is over, in the first window's zone: ``Mon 08:00 Europe/Vienna``; for people."""
    zone = next((window.zone for window in windows), "UTC")
    return f"{datetime.fromtimestamp(until, UTC).astimezone(_zone(zone)):%a %H:%M} {zone}"
