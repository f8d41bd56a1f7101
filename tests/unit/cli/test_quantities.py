"""What people may type for a share, a rate, a duration and a time of day, and what they are told when it is none."""

from __future__ import annotations

import click
import pytest

from proxy.cli.quantities import duration, latency, outage, rate, share, stretch, time_of_day
from proxy.simulation.traffic import Spell


@pytest.mark.parametrize(("text", "expected"), [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), ("100%", 1.0), (None, None)])
def test_a_share_is_a_percentage_or_a_fraction(text: str | None, expected: float | None) -> None:
    assert share(None, None, text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["5", "-1%", "101%", "nan", "", "%", "five"])
def test_what_is_no_share_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no share"):
        share(None, None, text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e9", "many"])
def test_what_is_no_rate_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no rate"):
        rate(None, None, text)


def test_a_duration_is_the_configuration_s() -> None:
    assert [90.0, 1800.0, 0.0] == [duration(None, None, text) for text in ("1m30s", "30m", "0")]
    with pytest.raises(click.BadParameter, match=r"no duration.*Perhaps 90s"):
        duration(None, None, "90")


def test_a_latency_is_a_short_duration() -> None:
    assert [0.25, None] == [latency(None, None, text) for text in ("250ms", None)]
    with pytest.raises(click.BadParameter, match="60s at most"):
        latency(None, None, "61s")


def test_a_stretch_is_from_when_and_how_long() -> None:
    assert [(600.0, 660.0), None] == [stretch(None, None, text) for text in ("10m+1m", None)]


@pytest.mark.parametrize("text", ["10m", "10m-1m", "+", "1m+x"])
def test_what_is_no_stretch_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"no stretch of time|no duration|empty"):
        stretch(None, None, text)


def test_an_outage_is_a_stretch_and_a_share() -> None:
    assert [Spell(600.0, 720.0, 0.5), None] == [outage(None, None, text) for text in ("10m+2m:50%", None)]
    with pytest.raises(click.BadParameter, match="no share"):
        outage(None, None, "10m+2m:half")


def test_a_time_of_day_is_hours_and_minutes() -> None:
    assert [0.0, 34_200.0, 86_340.0] == [time_of_day(None, None, text) for text in ("00:00", "9:30", "23:59")]
    with pytest.raises(click.BadParameter, match="no time of day"):
        time_of_day(None, None, "24:00")
