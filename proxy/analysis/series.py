"""What a rollout went through, over time: a bounded row of points, each a stretch of it with what was counted there. Pure.

A point holds *differences*, so two neighbours merge by addition and nothing is lost but where one ended: that is how a row that grows
too long is thinned. Added up, the points are what the judge's tally and the checks' sums are, which is what a replay lives on. After a
restart the first point makes good what had been counted and not yet kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.stretches import Stretch
from proxy.model.position import Position
from proxy.telemetry.snapshot import CellDelta

Rows = dict[int, dict[str, Any]]
"""By share in basis points: whatever numbers a row of the tally has, plain or in a dictionary."""


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stretch that ended at ``at_s`` (Unix time); ``phase``, ``step`` and ``weight_bp`` are those of its end.

    ``rows`` and ``stretch`` are what was counted in it, for the guard and for the checks. ``evidence`` (log, by kind) and ``checks``
    (the result in a word) are those of its end. ``event`` is the kind of the decision that ended it, empty when time did.
    """

    at_s: float
    phase: str
    step: int
    weight_bp: int
    rows: Rows = {}
    stretch: Stretch = msgspec.field(default_factory=Stretch)
    evidence: dict[str, float] = {}
    checks: dict[str, str] = {}
    event: str = ""


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The points of one rollout, oldest first. A stretch takes ``interval_s``, which doubles when there would be too many."""

    interval_s: float
    points: tuple[Point, ...] = ()

    @property
    def rows(self) -> Rows:
        """All that was counted for the guard, up to the end."""
        return summed(point.rows for point in self.points)


class Recording:
    """A series that is being made. ``rollout`` is the number of the rollout it is of."""

    def __init__(self, rollout: int, interval_s: float, kept: Series | None = None, *, began_s: float | None = None) -> None:
        """``kept`` is what a process before this one had of it; it begins at ``began_s``, or when first looked at."""
        self.rollout = rollout
        self.series = kept or Series(interval_s)
        self._rows = self.series.rows
        self._stretch = Stretch()
        self._began_s = began_s

    def count(self, cell: CellDelta, *, stable: str, candidate: str) -> None:
        """Add a worker's cell of this rollout; one of another version is ignored."""
        self._stretch.count(cell, stable=stable, candidate=candidate)

    def observed(self, seconds: float) -> None:
        """So much time has passed, and was observed."""
        self._stretch.seconds += seconds

    def due(self, at_s: float) -> bool:
        """Whether the present stretch has taken its time."""
        if self._began_s is None or at_s < self._began_s:  # the first look of this process, or a clock that was put back
            self._began_s = at_s
        return at_s - self._began_s >= self.series.interval_s

    def end(
        self,
        at_s: float,
        position: Position,
        rows: Rows,
        *,
        evidence: Mapping[str, float] | None = None,
        checks: Mapping[str, str] | None = None,
        event: str = "",
    ) -> None:
        """End the stretch here. ``rows`` are the tally's, all of the rollout so far."""
        point = Point(
            at_s,
            position.phase.value,
            position.step,
            position.weight_bp,
            difference(rows, self._rows),
            self._stretch,
            dict(evidence or {}),
            dict(checks or {}),
            event,
        )
        self._rows, self._stretch, self._began_s = rows, Stretch(), at_s
        points, interval_s = (*self.series.points, point), self.series.interval_s
        if len(points) > limits.SERIES_POINTS_MAX:
            timed = sum(not each.event for each in points)  # many decisions may fill it too; only time makes stretches longer
            points, interval_s = thinned(points), interval_s * (2 if timed > limits.SERIES_POINTS_MAX // 2 else 1)
        self.series = Series(interval_s, points)


def thinned(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """About half as many: neighbours are merged, and a decision stays the end of its stretch as long as that leaves few enough."""
    kept = _paired(points, across_events=False)
    if len(kept) > 3 * limits.SERIES_POINTS_MAX // 4:
        kept = _paired(kept, across_events=True)
    return kept


def _paired(points: tuple[Point, ...], *, across_events: bool) -> tuple[Point, ...]:
    out: list[Point] = []
    waiting: Point | None = None
    for point in points:
        if waiting is None:
            waiting = point
        elif waiting.event and not across_events:
            out.append(waiting)
            waiting = point
        else:
            out.append(merged(waiting, point))
            waiting = None
    return (*out, waiting) if waiting is not None else tuple(out)


def merged(one: Point, other: Point) -> Point:
    """Two stretches that follow each other, as one."""
    stretch = Stretch()  # a new one: a point's is not to be changed
    stretch.add(one.stretch)
    stretch.add(other.stretch)
    return replace(other, rows=summed((one.rows, other.rows)), stretch=stretch)


# ---- numbers in rows ------------------------------------------------------------------------------------------------------------


def summed(rows: Iterable[Rows]) -> Rows:
    """The sum, share by share and number by number."""
    out: Rows = {}
    for each in rows:
        for share, row in each.items():
            out[share] = _plus(out.get(share, {}), row)
    return out


def difference(now: Rows, before: Rows) -> Rows:
    """What has been added since; what is lower than it was (a restart that lost a second) counts as nothing."""
    return {share: left for share, row in now.items() if (left := _minus(row, before.get(share, {})))}


def _plus(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(one)
    for key, value in other.items():
        out[key] = _plus(out.get(key, {}), value) if isinstance(value, Mapping) else out.get(key, 0) + value
    return out


def _minus(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in now.items():
        left = _minus(value, before.get(key, {})) if isinstance(value, Mapping) else max(0, value - before.get(key, 0))
        if left:
            out[key] = left
    return out
