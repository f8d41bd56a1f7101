"""A report as tables: pure."""

from __future__ import annotations

import io
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from proxy.cli.simulation_view import render, seconds, share
from proxy.simulation.report import Report, Series, Spread

GIVEN: dict[str, Any] = {
    "service": "shop",
    "rps": 100.0,
    "quiet_rps": None,
    "stable_errors": 0.001,
    "candidate_errors": 0.05,
    "onset_s": 120.0,
    "runs": 1000,
    "seed": 1,
    "gates": "pass",
    "users": None,
    "policy": None,
    "candidate_latency": None,
    "stable_latency": 0.1,
}
CANDIDATE = Series(
    runs=1000,
    ends={"promoted": 0.1, "rolled_back": 0.9, "paused": 0.0, "held": 0.0, "shadowed": 0.0},
    caught=0.85,
    alarms=0.9,
    decision_s=Spread(0.5, 0.45, 0.81, 2.0),
    promotion_s=Spread(900.0, 900.0, 901.0, 905.0),
    requests=Spread(5000.0, 5000, 12_345, 20_000),
    failures=Spread(9.0, 9, 13, 20),
    users=Spread(800.0, 800.2, 1234.5, 2000.0),
    users_hurt=Spread(4.0, 4, 6, 9),
    why={"rolled_back": "it fails too often"},
)
EQUAL = replace(
    CANDIDATE, ends={**CANDIDATE.ends, "promoted": 1.0, "rolled_back": 0.0}, caught=0.0, alarms=0.0, decision_s=None, why={}
)
REPORT = Report(candidate=CANDIDATE, equal=EQUAL, false_alarms=0.0, false_alarms_at_most=0.00299, alpha=0.001)


def text(broken: tuple[str, ...] = (), notes: tuple[str, ...] = (), report: Report = REPORT, **given: Any) -> str:
    """As a wide terminal without colours would show it."""
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(render({**GIVEN, **given}, report, notes, broken))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(shown: str, first: str) -> str:
    """The line that begins with ``first``, its blanks made one."""
    return next(" ".join(line.split()) for line in shown.splitlines() if line.startswith(first))


def test_the_title_says_what_was_played() -> None:
    played, errors = text().splitlines()[0].split("; ")

    assert "shop: 1,000 rollouts at 100 requests/s" == played
    assert "stable fails 0.1 % of its requests, the candidate 5 % from 2m0s on (seed 1, gates pass)" == errors


def test_a_daily_curve_is_in_the_title() -> None:
    assert "at 20 to 100 requests/s over the day" in text(quiet_rps=20.0)


@pytest.mark.parametrize(
    "expected",
    [
        "promoted 10 % 100 %",
        "caught by guard or checks 85 % 0 %",
        "accused before the onset 5 % -",
        "onset to decision, median / p90 0.45 s / 0.81 s -",
        "start to promotion, median / p90 15m0s / 15m1s 15m0s / 15m1s",
        "requests to it, median / p90 5,000 / 12,345 5,000 / 12,345",
        "of them failed, median / p90 9 / 13 9 / 13",
    ],
)
def test_each_figure_has_its_row(expected: str) -> None:
    words = expected.split()

    assert expected == row(text(), " ".join(words[:3] if words[0] != "promoted" else words[:1]))


def test_latencies_and_other_rules_are_in_the_title() -> None:
    shown = " ".join(text(candidate_latency=0.3, policy="flagger-tuned").split())

    assert "100 requests/s by the rules of flagger-tuned; " in shown
    assert "; answers take 0.1 s on stable, 0.3 s on the candidate (seed" in shown
    assert "by the rules" not in text(policy="headgate")
    assert "alpha promises" not in shown


def test_users_have_rows_when_there_are_any() -> None:
    shown = text(users=10_000)

    assert "users who met it, median / p90 800 / 1,234 800 / 1,234" == row(shown, "users who")
    assert "of them saw it fail, median / p90 4 / 6 4 / 6" == row(shown, "of them saw")
    assert "100 requests/s of 10,000 users; stable" in shown
    assert "users" not in text()


def test_without_early_alarms_there_is_no_row_for_them() -> None:
    assert "before the onset" not in text(report=replace(REPORT, candidate=replace(CANDIDATE, alarms=0.85)))


def test_false_alarms_come_with_what_is_sure_and_what_was_promised() -> None:
    assert "false alarms: 0 of 1,000, so 0.299 % at most (95 % sure); alpha promises 0.1 % at most" in text()


def test_an_example_of_each_end_is_given() -> None:
    assert "rolled back, for example: it fails too often" in text()


def test_notes_are_told() -> None:
    assert "note: not quite so" in text(notes=("not quite so",))


def test_what_does_not_hold_comes_last() -> None:
    assert "does not hold: too few" == text(broken=("too few",), notes=("a note",)).splitlines()[-1].strip()


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "0 s"), (0.4867, "0.49 s"), (9.4, "9.4 s"), (32.4, "32 s"), (900.0, "15m0s"), (7325.0, "2h2m5s")]
)
def test_seconds_have_two_digits_while_they_matter(value: float, expected: str) -> None:
    assert expected == seconds(value)


def test_a_share_is_percent() -> None:
    assert ["0 %", "0.473 %", "100 %"] == [share(value) for value in (0.0, 0.00473, 1.0)]
