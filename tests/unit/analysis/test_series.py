"""What a rollout went through: stretches of differences that add up, and stay few."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.series import Point, Recording, Series, difference, merged, summed, thinned
from proxy.analysis.stretches import Side, Stretch
from proxy.model.position import Phase, Position
from proxy.telemetry.snapshot import CellDelta

SHOP = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=3, weight_bp=500)


def rows(requests: int, failures: int = 0) -> dict[int, dict[str, object]]:
    return {500: {"candidate_requests": requests, "stable_requests": 0, "candidate": {"reset": failures} if failures else {}}}


def cell(version: str, draws: int) -> CellDelta:
    return CellDelta("shop", version, 1, rollout=3, candidate_share=0.05, draws=draws, latency={4: draws})


def point(at_s: float, event: str = "", requests: int = 1) -> Point:
    return Point(at_s, "progressing", 0, 500, rows(requests), Stretch(1.0, Side(requests)), event=event)


def test_a_stretch_holds_what_was_counted_in_it() -> None:
    recording = Recording(3, 10.0)
    recording.count(cell("v2", 3), stable="v1", candidate="v2")
    recording.count(cell("v1", 57), stable="v1", candidate="v2")
    recording.observed(9.5)
    recording.end(10.0, SHOP, rows(3), evidence={"failures": -0.1}, checks={"p99": "pass"})

    assert (
        Point(
            10.0,
            "progressing",
            0,
            500,
            {500: {"candidate_requests": 3}},
            Stretch(9.5, Side(3, 0, {4: 3}), Side(57, 0, {4: 57})),
            {"failures": -0.1},
            {"p99": "pass"},
        ),
    ) == recording.series.points


def test_stretches_are_differences_and_add_up_to_what_was_counted() -> None:
    recording = Recording(3, 10.0)
    for at_s, total in ((10.0, rows(3)), (20.0, rows(8, 2)), (30.0, rows(8, 2))):
        recording.end(at_s, SHOP, total)

    assert [{500: {"candidate_requests": 3}}, {500: {"candidate_requests": 5, "candidate": {"reset": 2}}}, {}] == [
        p.rows for p in recording.series.points
    ]
    assert {500: {"candidate_requests": 8, "candidate": {"reset": 2}}} == recording.series.rows


def test_a_version_of_neither_side_is_not_counted() -> None:
    recording = Recording(3, 10.0)
    recording.count(cell("v9", 3), stable="v1", candidate="v2")
    recording.end(10.0, SHOP, {})

    assert Stretch() == recording.series.points[0].stretch


def test_a_stretch_is_due_when_its_time_is_over() -> None:
    recording = Recording(3, 10.0)

    assert [False, False, True] == [recording.due(at_s) for at_s in (100.0, 109.0, 110.0)]


def test_a_decision_begins_a_new_stretch() -> None:
    recording = Recording(3, 10.0)
    recording.due(100.0)
    recording.end(105.0, SHOP, {}, event="step")

    assert [False, True] == [recording.due(at_s) for at_s in (111.0, 115.0)]


def test_a_clock_that_is_put_back_does_not_stop_it() -> None:
    recording = Recording(3, 10.0)
    recording.due(1000.0)

    assert [False, True] == [recording.due(at_s) for at_s in (500.0, 510.0)]


def test_after_a_restart_the_first_stretch_makes_good_what_was_not_kept() -> None:
    first = Recording(3, 10.0)
    first.end(10.0, SHOP, rows(3))
    second = Recording(3, 10.0, first.series)
    second.end(30.0, SHOP, rows(9, 1))

    assert {500: {"candidate_requests": 6, "candidate": {"reset": 1}}} == second.series.points[1].rows


def test_a_tally_that_lost_a_second_takes_nothing_back() -> None:
    assert {500: {"stable_requests": 1}} == difference(
        {500: {"candidate_requests": 2, "stable_requests": 5}}, {500: {"candidate_requests": 3, "stable_requests": 4}}
    )


def test_it_never_has_more_points_than_the_bound_and_nothing_of_their_counts_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERIES_POINTS_MAX", 8)
    recording = Recording(3, 10.0, began_s=0.0)
    for number in range(1, 60):
        if recording.due(10.0 * number) or number == 59:
            recording.end(10.0 * number, SHOP, rows(number))

        assert len(recording.series.points) <= 8
    assert rows(59)[500]["candidate_requests"] == recording.series.rows[500]["candidate_requests"]
    assert (160.0, 590.0) == (recording.series.interval_s, recording.series.points[-1].at_s)


def test_a_decision_stays_the_end_of_its_stretch_when_neighbours_merge() -> None:
    points = (point(1), point(2, "started"), point(3, "step"), point(4), point(5), point(6))

    assert [(2, "started"), (3, "step"), (5, ""), (6, "")] == [(p.at_s, p.event) for p in thinned(points)]


def test_where_there_are_too_many_decisions_they_merge_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERIES_POINTS_MAX", 8)
    points = tuple(point(at_s, "paused") for at_s in range(9))

    assert 5 == len(thinned(points))
    assert 9 == summed(p.rows for p in thinned(points))[500]["candidate_requests"]


def test_many_decisions_in_a_short_time_do_not_make_stretches_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERIES_POINTS_MAX", 8)
    recording = Recording(3, 10.0)
    for number in range(100):
        recording.end(0.1 * number, SHOP, {}, event="paused")

    assert (10.0, True) == (recording.series.interval_s, len(recording.series.points) <= 8)


def test_it_begins_when_the_rollout_does() -> None:
    assert [False, True] == [Recording(3, 10.0, began_s=90.0).due(at_s) for at_s in (99.0, 100.0)]


def test_two_stretches_that_merge_end_as_the_later_one() -> None:
    one, other = point(1, requests=2), replace(point(2, "step", requests=3), evidence={"failures": 2.0}, weight_bp=2500)

    assert (2, "step", {"failures": 2.0}, 2500, Stretch(2.0, Side(5))) == (
        (both := merged(one, other)).at_s,
        both.event,
        both.evidence,
        both.weight_bp,
        both.stretch,
    )


def test_an_empty_series_counts_nothing() -> None:
    assert {} == Series(10.0).rows
