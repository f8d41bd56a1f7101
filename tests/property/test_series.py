"""A rollout's series: whatever comes in whatever order, it stays small and loses no count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.analysis.series import Recording, Rows
from proxy.analysis.stretches import Side
from proxy.model.position import Phase, Position
from proxy.telemetry.snapshot import CellDelta

SHOP = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=3, weight_bp=500)
MOST = 12

CELL = st.tuples(
    st.sampled_from(["v1", "v2"]),
    st.sampled_from([500, 2500]),
    st.integers(0, 50),
    st.integers(0, 5),
    st.sampled_from(["reset", "timeout"]),
)
STRETCH = st.tuples(st.lists(CELL, max_size=3), st.sampled_from(["", "", "", "step", "paused"]))


def counted(rows: Rows, cell: tuple[str, int, int, int, str]) -> None:
    """As a tally does."""
    version, share_bp, good, bad, cause = cell
    side = "candidate" if version == "v2" else "stable"
    row = rows.setdefault(share_bp, {"candidate_requests": 0, "stable_requests": 0, "candidate": {}, "stable": {}})
    row[f"{side}_requests"] += good + bad
    if bad:
        row[side] = {**row[side], cause: row[side].get(cause, 0) + bad}


def delta(cell: tuple[str, int, int, int, str]) -> CellDelta:
    version, share_bp, good, bad, cause = cell
    failures = {cause: bad} if bad else {}
    return CellDelta(
        "shop",
        version,
        1,
        3,
        share_bp / 10_000,
        draws=good + bad,
        draw_failures=failures,
        latency={4: good + bad},
        latency_aside={4: bad},
    )


def nothing_left(rows: Rows) -> Rows:
    """Without the zeros that differences do not keep."""
    kept: Rows = {}
    for share_bp, row in rows.items():
        if left := {key: value for key, value in row.items() if value}:
            kept[share_bp] = left
    return kept


@pytest.fixture(autouse=True, scope="module")
def few() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "SERIES_POINTS_MAX", MOST)
        yield


@given(st.lists(STRETCH, max_size=60), st.integers(0, 60))
def test_no_count_is_lost_and_there_are_never_too_many(stretches: list[Any], restart_at: int) -> None:
    recording, rows, sides = Recording(3, 2.0), {}, {"v1": Side(), "v2": Side()}
    for number, (cells, event) in enumerate(stretches):
        if number == restart_at:
            recording = Recording(3, 2.0, recording.series)
        for cell in cells:
            counted(rows, cell)
            recording.count(delta(cell), stable="v1", candidate="v2")
            sides[cell[0]].requests += cell[2] + cell[3]
            sides[cell[0]].failures += cell[3]
        recording.end(10.0 * number, SHOP, {share: dict(row) for share, row in rows.items()}, event=event)

        assert len(recording.series.points) <= MOST
    points = recording.series.points

    assert nothing_left(rows) == recording.series.rows
    for version, name in (("v2", "candidate"), ("v1", "stable")):
        parts = [getattr(point.stretch, name) for point in points]
        assert (sides[version].requests, sides[version].failures) == (sum(p.requests for p in parts), sum(p.failures for p in parts))
        assert sum(sum(p.latency.values()) for p in parts) == sides[version].requests - sides[version].failures
    assert [point.at_s for point in points] == sorted(point.at_s for point in points)
    assert not stretches or points[-1].at_s == 10.0 * (len(stretches) - 1)
