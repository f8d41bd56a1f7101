"""What is counted of both versions over the same seconds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.analysis.stretches import Side, Stretches, drawn_latency
from proxy.model.position import Position
from proxy.model.rollout import Check, PrometheusQuery, RolloutPlan
from proxy.telemetry.snapshot import CellDelta


def cell(version: str = "v2", **fields: Any) -> CellDelta:
    return CellDelta(**{"service": "shop", "version": version, "generation": 9, "rollout": 4, "candidate_share": 0.05} | fields)


def counted(*cells: CellDelta, windows: tuple[float, ...] = ()) -> Stretches:
    stretches = Stretches(4, windows)
    for each in cells:
        stretches.count(each, stable="v1", candidate="v2")
    return stretches


def test_both_versions_are_counted_over_the_same_seconds() -> None:
    stretches = counted(cell("v2", draws=7), cell("v1", draws=90), cell("v2", draws=5))
    stretches.observed(2.5)

    step = stretches.over(0)
    assert (12, 90, 2.5) == (step.candidate.requests, step.stable.requests, step.seconds)


def test_failures_of_known_users_and_of_unknown_ones_count_each_time() -> None:
    step = counted(
        cell(
            draws=9,
            draw_failures={"reset": 2},
            failed_users=[(1, "timeout"), (1, "timeout")],
            failed_users_dropped={"reset": 2, "no_endpoint": 1},
        )
    )

    assert 7 == step.over(0).candidate.failures


def test_only_requests_that_the_split_drew_and_that_did_not_fail_have_a_latency() -> None:
    step = counted(cell(latency={3: 10, 5: 2, 9: 1}, latency_aside={3: 4, 9: 1}))

    assert {3: 6, 5: 2} == step.over(0).candidate.latency


def test_a_latency_without_any_aside_is_taken_as_it_is() -> None:
    delta = cell(latency={3: 10})

    assert delta.latency is drawn_latency(delta)


def test_cells_of_another_rollout_or_version_are_ignored() -> None:
    step = counted(cell(rollout=3, draws=9), cell("v3", draws=9)).over(0)

    assert (Side(), Side()) == (step.candidate, step.stable)


def test_a_step_begins_at_nothing() -> None:
    stretches = counted(cell(draws=9))
    stretches.enter()

    assert 0 == stretches.over(0).candidate.requests


def test_a_window_goes_on_across_a_step() -> None:
    stretches = counted(cell(draws=9), windows=(60.0,))
    stretches.enter()

    assert 9 == stretches.over(60.0).candidate.requests


def test_a_window_forgets_what_is_older() -> None:
    stretches = Stretches(4, [60.0])
    for second in range(200):
        stretches.count(cell(draws=second), stable="v1", candidate="v2")
        stretches.observed(1.0)

    window = stretches.over(60.0)
    assert (sum(range(140, 200)), 60.0) == (window.candidate.requests, window.seconds)


def test_a_window_whose_slots_are_shorter_than_the_looks_is_no_longer_for_that() -> None:
    stretches = Stretches(4, [10.0])
    for _ in range(100):
        stretches.observed(1.5)

    assert 10.5 == stretches.over(10.0).seconds


def test_a_window_has_a_bounded_number_of_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    stretches = Stretches(4, [60.0])
    for _ in range(10_000):
        stretches.observed(0.1)

    assert len(stretches._windows[60.0]._slots) <= limits.CHECK_WINDOW_SLOTS + 2


def test_a_window_is_at_most_a_slot_longer_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHECK_WINDOW_SLOTS", 4)
    stretches = Stretches(4, [3600.0])
    for _ in range(40):
        stretches.count(cell(draws=1), stable="v1", candidate="v2")
        stretches.observed(500.0)

    assert (8, 4000.0) == (stretches.over(3600.0).candidate.requests, stretches.over(3600.0).seconds)


def test_copies_are_counted() -> None:
    stretches = Stretches(4, [60.0])
    stretches.compared(10, 2)
    stretches.compared(5, 0)

    assert [(15, 2)] * 2 == [(stretches.over(w).compared, stretches.over(w).mismatched) for w in (0, 60.0)]


def test_windows_are_those_that_the_plans_own_metrics_ask_for() -> None:
    query = PrometheusQuery("http://p", "q")
    checks = (
        Check("a", metric="error_rate", window_s=30.0),
        Check("b", metric="error_rate"),
        Check("c", prometheus=query, window_s=9.0),
    )
    stretches = Stretches.of(Position("shop", "v1", rollout=4, plan=RolloutPlan(checks=checks)))

    assert (4, 0, 0) == (stretches.rollout, stretches.over(30.0).compared, stretches.over(0).compared)
    with pytest.raises(KeyError):
        stretches.over(9.0)


def test_the_step_so_far_survives_a_restart_exactly() -> None:
    before = counted(cell(draws=9, latency={3: 9}, draw_failures={"reset": 1}), cell("v1", draws=90, latency={4: 90}))
    before.observed(3.5)
    before.compared(4, 1)
    after = Stretches(4)
    after.restore(json.loads(json.dumps(before.to_json())))

    assert before.over(0) == after.over(0)


def test_something_else_than_a_step_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Stretches(4).restore({"seconds": "many"})


def test_a_window_forgets_the_latency_of_what_is_older_and_no_more() -> None:
    stretches = Stretches(4, [10.0])
    for latency in ({3: 5, 4: 1}, {3: 2}):
        stretches.count(cell(draws=9, latency=latency), stable="v1", candidate="v2")
        stretches.observed(10.0)

    assert {3: 2} == stretches.over(10.0).candidate.latency
    stretches.count(cell(draws=1, latency={3: 1}), stable="v1", candidate="v2")
    assert ({3: 3}, {3: 8, 4: 1}) == (stretches.over(10.0).candidate.latency, stretches.over(0).candidate.latency)


def test_of_a_bucket_that_was_met_again_the_later_part_stays() -> None:
    stretches = Stretches(4, [10.0])
    for _ in range(3):
        stretches.count(cell(draws=9, latency={3: 5}), stable="v1", candidate="v2")
        stretches.observed(5.0)

    assert {3: 10} == stretches.over(10.0).candidate.latency
