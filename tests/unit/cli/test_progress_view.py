from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group

from proxy.cli.progress_view import decisions, plan_text, progress

VIEW: dict[str, Any] = {
    "service": "shop",
    "phase": "progressing",
    "step": 1,
    "step_elapsed_s": 75.2,
    "step_requests": 320,
    "plan": {
        "strategy": "canary",
        "steps": [
            {"type": "shadow", "percent_bp": 2000, "for_s": 60.0, "min_requests": 9},
            {"type": "weight", "weight_bp": 550, "for_s": 300.0, "min_requests": 500},
            {"type": "gate", "gate": "manual"},
            {"type": "gate", "gate": "remote"},
            {"type": "weight", "weight_bp": 5000, "for_s": 0.0, "min_requests": 0},
        ],
    },
    "last_verdict": {
        "finding": "pass",
        "figures": {
            "kinds": {
                "failures": {"log_evidence": 4.605, "threshold": 6.908, "candidate": 4, "stable": 1, "note": ""},
                "slow": {"log_evidence": -0.3, "threshold": 9.21, "candidate": 1, "stable": 7, "note": "warming up"},
            },
            "errors": 4,
            "max_errors": 10,
            "users_with_errors": 2,
            "max_users_with_errors": 0,
        },
    },
    "checks": [
        {
            "name": "p99",
            "result": "fail",
            "reason": "612 ms is over 500 ms",
            "fails": 1,
            "failure_limit": 2,
            "results": ["pass", "fail"],
        },
        {"name": "orders", "result": "no_data", "reason": "it is empty", "dry_run": True, "results": []},
    ],
}


def shown(view: dict[str, Any]) -> list[str]:
    """The lines, with a bar's columns told as how much of them is full."""
    console = Console(file=io.StringIO(), width=160, color_system=None, record=True)
    console.print(Group(*progress(view)))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.replace("━", "").replace("╸", "").replace("╺", "").split()) for line in console.file.getvalue().splitlines()]


def test_a_step_shows_its_time_and_its_requests() -> None:
    assert ["time 1m15s of 5m00s", "requests 320 of 500"] == shown(VIEW)[:2]


def test_each_kind_of_evidence_stands_against_its_threshold() -> None:
    assert [
        "failures evidence 10^2.0 of 10^3.0; 4 failures, stable 1",
        "slow answers evidence 10^-0.1 of 10^4.0; 1 slow answer, stable 7 (warming up)",
    ] == shown(VIEW)[2:4]


def test_a_budget_that_is_set_is_shown() -> None:
    assert "errors 4 of 10 allowed" == shown(VIEW)[4]


def test_a_check_shows_its_results_and_what_is_allowed() -> None:
    assert ["check p99 fail ■■ 612 ms is over 500 ms (1 failed, 2 allowed)", "check orders no data it is empty (dry run)"] == shown(
        VIEW
    )[5:]


def test_copies_are_counted_as_such() -> None:
    assert ["time 1m15s of 1m00s", "copies 320 of 9"] == shown(VIEW | {"step": 0, "phase": "shadowing"})[:2]


@pytest.mark.parametrize(
    "more", [{"step": None}, {"step": 2, "last_verdict": None, "checks": []}, {"step": 9, "last_verdict": {}, "checks": []}]
)
def test_what_asks_for_nothing_shows_nothing(more: dict[str, Any]) -> None:
    assert [] == progress(VIEW | more)


def test_a_plan_is_a_line_with_its_present_step_in_brackets() -> None:
    assert "canary: copies 20 % · [5.5 %] · gate · remote gate · 50 %" == plan_text(VIEW)


def test_a_strategy_without_steps_is_its_name() -> None:
    assert ("blue_green", "") == (plan_text({"plan": {"strategy": "blue_green", "steps": []}}), plan_text({}))


def test_decisions_are_a_line_each() -> None:
    console = Console(file=io.StringIO(), width=60, color_system=None)
    console.print(
        Group(*decisions([{"at": 3661, "kind": "rolled_back", "reason": "r" * 99}, {"at": 0, "kind": "first", "reason": "a"}], 1))
    )
    assert isinstance(console.file, io.StringIO)

    assert f"01:01:01Z  rolled back: {'r' * 35}…" == console.file.getvalue().rstrip("\n")


def test_a_rolling_rollout_shows_its_endpoints() -> None:
    rolling = {"plan": {"strategy": "rolling", "steps": []}, "step": 1, "steps": 3, "where": "endpoint 2 of 3: a waits to be healthy"}

    assert "endpoints endpoint 2 of 3: a waits to be healthy" == shown(VIEW | rolling)[0]
