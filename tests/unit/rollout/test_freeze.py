from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.model.rollout import FreezeWindow
from proxy.rollout.freeze import frozen_until, told

DAY = 24 * 60
WEEKEND = FreezeWindow(4 * DAY + 18 * 60, 8 * 60, "Europe/Vienna")  # Friday 18:00 to Monday 08:00
NIGHT = FreezeWindow(22 * 60, 24 * 60)  # Monday 22:00 to midnight, UTC


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-27T16:59:59", None),  # Friday, 17:59:59 in Vienna
        ("2026-11-27T17:00:00", "2026-11-30T07:00:00"),
        ("2026-11-29T23:30:00", "2026-11-30T07:00:00"),  # Monday there already
        ("2026-11-30T06:59:59", "2026-11-30T07:00:00"),
        ("2026-11-30T07:00:00", None),
        ("2026-07-10T16:00:00", "2026-07-13T06:00:00"),  # summer time
        ("2026-10-23T17:00:00", "2026-10-26T07:00:00"),  # summer time ends inside
    ],
)
def test_a_window_goes_by_the_wall_clock_of_its_zone(now: str, until: str | None) -> None:
    assert (None if until is None else at(until)) == frozen_until((WEEKEND,), at(now))


def test_without_windows_nothing_is_frozen() -> None:
    assert frozen_until((), at("2026-11-28T12:00:00")) is None


def test_windows_that_follow_each_other_are_one_freeze() -> None:
    morning = FreezeWindow(DAY, DAY + 6 * 60)  # Tuesday 00:00 to 06:00

    assert at("2026-11-24T06:00:00") == frozen_until((morning, NIGHT), at("2026-11-23T23:00:00"))


def test_windows_that_cover_the_week_are_told_for_a_week() -> None:
    halves = (FreezeWindow(0, 4 * DAY), FreezeWindow(4 * DAY, 0))

    assert at("2026-11-30T12:00:00") == frozen_until(halves, at("2026-11-23T12:00:00"))


def test_however_many_windows_follow_each_other() -> None:
    hours = tuple(FreezeWindow(60 * n, 60 * (n + 1)) for n in range(30))

    assert at("2026-11-24T06:00:00") == frozen_until(hours, at("2026-11-23T00:00:00"))


def test_an_end_in_the_hour_that_comes_twice_is_its_second() -> None:
    sunday = FreezeWindow(6 * DAY + 60, 6 * DAY + 150, "Europe/Vienna")  # 01:00 to 02:30

    assert at("2026-10-25T01:30:00") == frozen_until((sunday,), at("2026-10-25T00:00:00"))


def test_people_are_told_in_the_zone_of_the_window() -> None:
    assert "Mon 08:00 Europe/Vienna" == told(at("2026-11-30T07:00:00"), (WEEKEND,))
