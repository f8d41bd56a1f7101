"""What a rollout went through, over time: a bounded row of points, each a stretch of it with what was counted there. Frozen nouns."""

from __future__ import annotations

from typing import Any

import msgspec


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stretch that ended at ``at_s`` (Unix time), ``observed_s`` seconds of which were observed.

    ``phase``, ``step`` and ``weight_bp`` are those at its end. ``rows`` holds what the judge's tally counted in the stretch: for each
    share (basis points) whatever numbers a row of the tally has, as differences. ``latency`` has the histogram of each version, in
    ``telemetry.histogram`` buckets, as differences too. ``evidence`` (log, by kind) and ``checks`` (the result in a word) are those at
    the end. ``event`` is the kind of the decision that ended the stretch, empty when time did.
    """

    at_s: float
    observed_s: float
    phase: str
    step: int
    weight_bp: int
    rows: dict[int, dict[str, Any]] = {}
    latency: dict[str, dict[int, int]] = {}
    evidence: dict[str, float] = {}
    checks: dict[str, str] = {}
    event: str = ""


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The points of one rollout, oldest first. A stretch takes ``interval_s``, which doubles whenever there would be too many."""

    interval_s: float
    points: tuple[Point, ...] = ()
