"""Status and history as tables: pure, from API values."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group, RenderableType
from rich.table import Table

from proxy.cli.status_view import figure, history_list, render, revisions, services, show, when

SHOP: dict[str, Any] = {
    "service": "shop",
    "stable": "v1",
    "candidate": "v2",
    "phase": "progressing",
    "step": 1,
    "weights": {"v1": 75.0, "v2": 25.0},
    "observed": {
        "v1": {
            "requests": 700,
            "errors": 0,
            "error_rate": 0.0,
            "rps": 70.0,
            "share": 70.0,
            "p50_ms": 2.5,
            "p99_ms": 9.0,
            "in_flight": 3,
        },
        "v2": {
            "requests": 300,
            "errors": 3,
            "error_rate": 0.01,
            "rps": 30.0,
            "share": 30.0,
            "p50_ms": 2.6,
            "p99_ms": 9.1,
            "in_flight": 1,
        },
    },
    "generation": 7,
    "waiting_for": "40 of 100 requests",
    "last_verdict": {"finding": "hold", "reason": "no evidence"},
}


def text(what: RenderableType) -> str:
    """As a wide terminal without colours would show it."""
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(shown: str, first: str) -> list[str]:
    """The words of the line that begins with ``first``."""
    return next(line.split() for line in shown.splitlines() if line.split()[:1] == [first])


def test_a_version_s_row_has_wanted_and_measured_share() -> None:
    wanted = ["v2", "25", "%", "30.0", "%", "30.0", "1.00", "%", "2.6", "9.1", "1", "candidate"]

    assert wanted == row(text(render(SHOP)), "v2")


def test_it_says_what_a_rollout_waits_for() -> None:
    assert "waits for: 40 of 100 requests" in text(render(SHOP))


def test_a_version_without_traffic_shows_dashes_and_not_zeros() -> None:
    quiet = SHOP | {"observed": {"v1": {"requests": 0, "errors": 0, "error_rate": None, "p50_ms": None, "p99_ms": None}}}

    assert ["v1", "75", "%", "-", "-", "-", "-", "-", "-", "stable"] == row(text(render(quiet)), "v1")


def test_all_services_of_a_status_are_shown() -> None:
    shown = text(render({"services": [SHOP, SHOP | {"service": "cart"}]}))

    assert ("shop", "cart") == (row(shown, "shop")[0], row(shown, "cart")[0])


def test_services_may_come_by_name() -> None:
    assert [SHOP] == services({"services": {"shop": SHOP}})


def test_a_proxy_without_services_says_so() -> None:
    assert "no services" in text(render({"services": []}))


def test_history_is_shown_newest_first() -> None:
    assert [3, 2, 1] == [entry["revision"] for entry in revisions({"revisions": [{"revision": n} for n in (1, 3, 2)]})]


def test_a_decision_s_row_says_why() -> None:
    entry = {"revision": 4, "kind": "rolled_back", "reason": "5 failures in 90 requests", "by": "headgate"}

    assert "5 failures in 90 requests" in text(history_list({"revisions": [entry]}))


def test_a_decision_takes_two_lines() -> None:
    entry = {"revision": 4, "at": 1.7e9, "kind": "started", "stable": "v1", "candidate": "v2", "by": "ann", "reason": "why"}

    assert ["   4  2023-11-14 22:13:20.000Z  started  v1 -> v2  by ann", "      why"] == [
        line.rstrip() for line in text(history_list({"revisions": [entry]})).splitlines()
    ]


def test_what_others_have_said_is_shown_as_they_said_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A hook's answer is in a reason; as markup it would change colours, or end the command where it closes what is not open."""
    said = "answered 503: [red]no[/] :warning: [/database]"
    table = Table(box=None)
    table.add_row(said)
    show(Group(table, said))

    assert 2 == capsys.readouterr().out.count(said)


def test_status_fits_80_columns() -> None:
    assert [] == [line for line in text(render(SHOP)).splitlines() if len(line.rstrip()) > 80]


def test_an_empty_history_says_so() -> None:
    assert "no history" in text(history_list({"revisions": []}))


def test_a_moment_is_shown_in_utc_to_the_millisecond() -> None:
    assert "2023-11-14 22:13:20.250Z" == when(1_700_000_000.25)


def test_no_figure_is_a_dash() -> None:
    assert ("-", "0.0") == (figure(None, "{:.1f}"), figure(0, "{:.1f}"))
