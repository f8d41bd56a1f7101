"""The two clocks, and the one that moves when told."""

from __future__ import annotations

import pytest

from proxy.clock import ManualClock, SystemClock


def test_the_system_clock_measures_forward() -> None:
    clock = SystemClock()

    assert clock.now() <= clock.now()


def test_the_system_clocks_wall_is_unix_time() -> None:
    assert SystemClock().wall() > 1_600_000_000


def test_a_manual_clock_moves_both_hands_when_told() -> None:
    clock = ManualClock(now=1.0, wall=100.0)
    clock.advance(2.5)

    assert (3.5, 102.5) == (clock.now(), clock.wall())


def test_time_does_not_go_back() -> None:
    with pytest.raises(AssertionError):
        ManualClock().advance(-1)
