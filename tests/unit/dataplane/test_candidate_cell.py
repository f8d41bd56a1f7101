"""Whom a candidate reached, as its cell counts it."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.dataplane.candidate_cell import CandidateCell
from proxy.telemetry.recorder import Cell
from proxy.telemetry.snapshot import CellDelta, Reached

LABELS = {"rollout": 3, "candidate_share": 0.05, "is_candidate": True}


def candidate() -> CandidateCell:
    return CandidateCell("shop", "v2", 7, **LABELS)  # type: ignore[arg-type]  # a dictionary of mixed values


def reached(cell: CandidateCell) -> Reached:
    delta = cell.take(0)
    assert delta.reached is not None
    return delta.reached


def test_all_that_every_cell_counts_it_counts_too() -> None:
    cells = [candidate(), Cell("shop", "v2", 7, **LABELS)]  # type: ignore[arg-type]  # a dictionary of mixed values
    urgent = []
    for cell in cells:
        urgent.append([cell.record(200, None, 0.01, True, 11), cell.record(500, "status_5xx", 0.5, True, 12)])
        cell.fell_back()
    deltas = [cell.take(2) for cell in cells]
    deltas[0].reached = None

    assert (deltas[1], [False, True]) == (deltas[0], urgent[0])
    assert urgent[0] == urgent[1]


def test_a_user_is_met_once() -> None:
    cell = candidate()
    for user in (11, 11, 12):
        cell.record(200, None, 0.01, True, user)

    assert {11, 12} == set(reached(cell).met)


def test_a_request_without_a_user_is_counted_as_that() -> None:
    cell = candidate()
    cell.record(200, None, 0.01, True, 0)
    cell.record(200, None, 0.01, False, 0)

    assert (2, []) == ((taken := reached(cell)).unknown, taken.met)


def test_a_user_who_saw_a_failure_is_hurt_once() -> None:
    cell = candidate()
    for user in (11, 12, 12, 0):
        cell.record(500 if user != 11 else 200, "status_5xx" if user != 11 else None, 0.01, True, user)

    assert [12] == reached(cell).hurt


def test_a_failure_that_stable_answered_for_hurt_nobody() -> None:
    cell = candidate()
    cell.fell_back()
    cell.record(500, "status_5xx", 0.01, True, 11)
    cell.record(500, "status_5xx", 0.01, True, 12)

    assert ([12], 1) == (reached(cell).hurt, cell.fallbacks + 1)


def test_what_was_taken_is_not_told_again() -> None:
    cell = candidate()
    cell.record(500, "status_5xx", 0.01, True, 11)
    cell.take(0)

    assert Reached() == reached(cell)


def test_users_beyond_the_bound_are_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MET_USERS_PER_SNAPSHOT_MAX", 2)
    cell = candidate()
    for user in (1, 2, 3, 1, 4):
        cell.record(500, "reset", 0.01, True, user)
    taken = reached(cell)

    assert ({1, 2}, 2, {1, 2}, 2) == (set(taken.met), taken.met_dropped, set(taken.hurt), taken.hurt_dropped)


def test_the_last_request_is_told_by_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("proxy.dataplane.candidate_cell.perf_counter", lambda: now)
    cell = candidate()
    cell.record(200, None, 1.0, True, 0)  # began at 99
    cell.record(504, "timeout", 30.0, True, 0)  # began at 70
    now = 101.0
    cell.record(502, "reset", 5.0, True, 0)
    now = 103.0
    taken = reached(cell)

    assert (4.0, 3.0) == (taken.last_began_ago_s, taken.first_failed_ago_s)


def test_it_is_a_message_that_can_be_sent() -> None:
    import msgspec

    cell = candidate()
    cell.record(500, "reset", 0.01, True, (1 << 64) - 1)
    delta = cell.take(0)

    assert delta == msgspec.msgpack.decode(msgspec.msgpack.encode(delta), type=CellDelta)
