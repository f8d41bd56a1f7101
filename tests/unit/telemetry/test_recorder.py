from __future__ import annotations

import msgspec
import pytest

from proxy import limits
from proxy.telemetry.histogram import bucket
from proxy.telemetry.recorder import Cell
from proxy.telemetry.snapshot import CellDelta

LABELS = {"service": "shop", "version": "v2", "generation": 7, "rollout": 3, "candidate_share": 0.05}


def candidate() -> Cell:
    return Cell("shop", "v2", 7, rollout=3, candidate_share=0.05, is_candidate=True, slow_over_s=0.1)


def test_a_delta_holds_all_that_was_counted() -> None:
    cell = candidate()
    cell.record(200, None, 0.01, True, 0)
    cell.record(200, None, 0.01, True, 11)
    cell.record(502, "connect", 0.002, True, 0)
    cell.record(500, "status_5xx", 0.5, True, 12)
    cell.record(500, "status_5xx", 0.5, False, 0)
    cell.record(200, None, 0.3, True, 0)
    cell.record(200, None, 0.3, True, 13)
    cell.turned_away(499)
    cell.retries += 2
    cell.retries_refused += 3
    cell.fallbacks += 1
    cell.limited += 4
    cell.tunnel_bytes[1] += 6

    expected = CellDelta(
        **LABELS,  # type: ignore[arg-type]  # a dictionary of mixed values
        requests={200: 4, 502: 1, 500: 2, 499: 1},
        failures={"connect": 1, "status_5xx": 2},
        draws=6,
        draw_failures={"connect": 1},
        failed_users=[(12, "status_5xx")],
        failed_users_dropped={},
        draw_slow=1,
        slow_users=[13],
        slow_users_dropped=0,
        latency={bucket(0.01): 2, bucket(0.002): 1, bucket(0.5): 2, bucket(0.3): 2},
        latency_aside={bucket(0.002): 1, bucket(0.5): 2},
        latency_sum_s=pytest.approx(1.622),
        in_flight=5,
        retries=2,
        retries_refused=3,
        fallbacks=1,
        limited=4,
        tunnel_bytes=(0, 6),
    )
    assert expected == cell.take(5)


def test_every_field_of_a_delta_is_covered_by_the_test_above() -> None:
    """A field added to the message needs its line there."""
    fields = (
        "service version generation rollout candidate_share requests failures draws draw_failures failed_users failed_users_dropped"
    )
    fields += " draw_slow slow_users slow_users_dropped latency latency_aside latency_sum_s in_flight retries retries_refused fallbacks"
    fields += " limited tunnel_bytes reached"

    assert fields.split() == [field.name for field in msgspec.structs.fields(CellDelta)]


def test_taking_begins_anew() -> None:
    cell = candidate()
    cell.record(502, "connect", 0.01, True, 5)
    cell.retries += 1
    first = cell.take(0)

    assert CellDelta(**LABELS, in_flight=1) == cell.take(1)  # type: ignore[arg-type]  # a dictionary of mixed values
    cell.record(200, None, 0.01, True, 0)
    assert ({502: 1}, [(5, "connect")]) == (first.requests, first.failed_users), "what was taken is edited no more"


def test_two_cells_share_nothing() -> None:
    one, other = candidate(), candidate()
    one.record(502, "connect", 0.01, True, 5)

    assert not other.dirty
    assert {} == other.take(0).requests


@pytest.mark.parametrize(
    ("cause", "drawn", "is_candidate", "urgent"),
    [
        ("connect", True, True, True),
        ("connect", True, False, False),
        ("connect", False, True, False),
        (None, True, True, False),
    ],
)
def test_only_a_drawn_failure_of_a_candidate_is_urgent(cause: str | None, drawn: bool, is_candidate: bool, urgent: bool) -> None:
    cell = Cell("shop", "v2", 1, is_candidate=is_candidate)

    assert urgent is cell.record(502, cause, 0.01, drawn, 0)


def test_an_override_that_fails_is_charged_and_judged_by_nobody() -> None:
    cell = candidate()
    cell.record(500, "status_5xx", 0.01, False, 0)
    delta = cell.take(0)

    assert ({"status_5xx": 1}, 0, {}, []) == (delta.failures, delta.draws, delta.draw_failures, delta.failed_users)


def test_a_request_the_client_gave_up_on_is_charged_to_nobody_and_says_nothing_of_latency() -> None:
    """Rule 37. A guard on a percentile would else judge how patient clients are."""
    cell = candidate()
    cell.turned_away(499)
    delta = cell.take(0)

    assert ({499: 1}, {}, 0) == (delta.requests, delta.failures, delta.draws)
    assert ({}, 0.0) == (delta.latency, delta.latency_sum_s)


def test_failed_users_are_bounded_and_what_is_dropped_is_counted() -> None:
    cell = candidate()
    for user in range(1, limits.FAILED_USERS_PER_SNAPSHOT_MAX + 4):
        cell.record(502, "connect", 0.01, True, user)
    cell.record(503, "no_endpoint", 0.01, True, 1)
    delta = cell.take(0)

    assert (limits.FAILED_USERS_PER_SNAPSHOT_MAX, {"connect": 3, "no_endpoint": 1}) == (
        len(delta.failed_users),
        delta.failed_users_dropped,
    )
    assert {"connect": limits.FAILED_USERS_PER_SNAPSHOT_MAX + 3, "no_endpoint": 1} == delta.failures
    assert {} == delta.draw_failures, "a known user is not counted twice"


@pytest.mark.parametrize(
    ("slow_over_s", "cause", "drawn", "duration_s", "slow"),
    [
        (0.1, None, True, 0.11, 1),
        (0.1, None, True, 0.1, 0),
        (0.1, None, False, 0.11, 0),
        (0.1, "timeout", True, 0.11, 0),
        (0.0, None, True, 60.0, 0),
    ],
)
def test_a_drawn_answer_is_slow_when_it_did_not_fail_and_took_longer_than_the_bound(
    slow_over_s: float, cause: str | None, drawn: bool, duration_s: float, slow: int
) -> None:
    cell = Cell("shop", "v2", 1, is_candidate=True, slow_over_s=slow_over_s)
    cell.record(200 if cause is None else 504, cause, duration_s, drawn, 0)

    assert slow == cell.take(0).draw_slow


def test_slow_users_are_bounded_and_what_is_dropped_is_counted() -> None:
    cell = candidate()
    for user in range(1, limits.SLOW_USERS_PER_SNAPSHOT_MAX + 4):
        cell.record(200, None, 0.3, True, user)
    delta = cell.take(0)

    assert (limits.SLOW_USERS_PER_SNAPSHOT_MAX, 3, 0) == (len(delta.slow_users), delta.slow_users_dropped, delta.draw_slow)


def test_a_slow_answer_is_not_urgent() -> None:
    assert candidate().record(200, None, 0.3, True, 0) is False


@pytest.mark.parametrize("what", ["request", "retries", "fallbacks"])
def test_a_cell_is_dirty_once_anything_was_counted(what: str) -> None:
    cell = candidate()
    before = cell.dirty
    if what == "request":
        cell.record(200, None, 0.01, True, 0)
    else:
        setattr(cell, what, 1)

    assert (False, True) == (before, cell.dirty)
    cell.take(0)
    assert not cell.dirty


def test_the_level_in_flight_is_not_reset() -> None:
    cell = candidate()
    cell.in_flight += 2
    cell.take(2)

    assert 2 == cell.in_flight
