"""What is told of atomic switches."""

from __future__ import annotations

import pytest

from proxy.clock import ManualClock
from proxy.control.switches import Switch, Switches
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.histogram import bucket

SEEN = Cutover(
    "shop", watched_s=90.0, held=2, hold_s_max=0.006, hold_s_sum=0.01, holds={bucket(0.004): 2}, old_last_s=99.9, new_first_s=99.95
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=100.0, wall=1_000.0)


def test_times_are_told_on_the_clock_that_people_read(clock: ManualClock) -> None:
    switch = Switch.seen(SEEN, 7, 0.25, clock)

    assert [999.9, 999.95, 990.0, 0.05] == pytest.approx(
        [switch.old_last_at_s, switch.new_first_at_s, switch.watched_at_s, switch.gap_s]
    )


def test_what_did_not_happen_has_no_time(clock: ManualClock) -> None:
    switch = Switch.seen(Cutover("shop", watched_s=90.0), 7, 0.25, clock)

    assert (None, None, None, None) == (switch.old_last_at_s, switch.new_first_at_s, switch.gap_s, switch.hold_s_p99)


def test_a_quantile_is_never_above_the_longest_hold(clock: ManualClock) -> None:
    switch = Switch.seen(Cutover("shop", held=1, hold_s_max=0.00401, holds={bucket(0.00401): 1}), 7, 0.25, clock)

    assert switch.hold_s_p99 is not None
    assert switch.hold_s_p99 <= switch.hold_s_max


def test_switches_of_a_service_add_up(clock: ManualClock) -> None:
    switches = Switches()
    for generation in (7, 8):
        switches.add(SEEN, generation, 0.25, clock)
    counts = switches.of("shop")

    assert (2, 4, 0.02) == (counts.count, sum(counts.holds.values()), counts.hold_s_sum)
    assert counts.last is not None
    assert 8 == counts.last.generation


def test_a_service_that_never_switched_has_none() -> None:
    assert (0, None) == (Switches().of("shop").count, Switches().of("shop").last)


def test_a_service_that_is_no_more_is_forgotten(clock: ManualClock) -> None:
    switches = Switches()
    switches.add(SEEN, 7, 0.25, clock)
    switches.keep(["cart"])

    assert 0 == switches.of("shop").count


@pytest.fixture
def quiet(clock: ManualClock) -> Switches:
    """``shop`` has switched, and no request has come since."""
    switches = Switches()
    switches.add(Cutover("shop", watched_s=90.0, old_last_s=95.0), 7, 0.25, clock)
    return switches


def first(switches: Switches) -> tuple[float | None, float | None]:
    last = switches.of("shop").last
    assert last is not None
    return last.new_first_at_s, last.gap_s


def test_the_first_request_may_come_later_than_the_switch(quiet: Switches, clock: ManualClock) -> None:
    clock.advance(5.0)
    quiet.first("shop", 103.0, clock)

    assert (1003.0, 8.0) == first(quiet)


def test_of_several_workers_firsts_the_first_is_the_first(quiet: Switches, clock: ManualClock) -> None:
    for at_s in (103.0, 102.0, 104.0):
        quiet.first("shop", at_s, clock)

    assert (1002.0, 7.0) == first(quiet)


def test_a_first_that_is_older_than_the_switch_was_of_the_one_before(quiet: Switches, clock: ManualClock) -> None:
    quiet.first("shop", 89.0, clock)

    assert (None, None) == first(quiet)


def test_a_first_of_a_service_that_never_switched_is_nothing(quiet: Switches, clock: ManualClock) -> None:
    quiet.first("cart", 103.0, clock)

    assert None is quiet.of("cart").last
