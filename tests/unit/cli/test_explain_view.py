"""How an explanation looks in a pipe."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from proxy.cli.explain_view import ROWS_MAX, after, condensed, explanation, sparkline


def side(requests: int, failures: int = 0, p99_ms: float | None = None) -> dict[str, Any]:
    return {"requests": requests, "failures": failures, "p99_ms": p99_ms}


def point(after_s: float, event: str = "", **evidence: float) -> dict[str, Any]:
    return {
        "after_s": after_s,
        "weight": 5.0,
        "candidate": side(10, 1, 3.5),
        "stable": side(190),
        "evidence": evidence or {"failures": 2.302585},
        "checks": {"p99": "fail", "errors": "pass"},
        "event": event,
    }


TOLD: dict[str, Any] = {
    "service": "shop",
    "revision": 9,
    "rollout": 3,
    "from": "v1",
    "to": "v2",
    "outcome": "rolled_back",
    "summary": ["v2 was tried in place of v1.", "It was rolled back."],
    "story": [
        {
            "revision": 8,
            "at": 0.0,
            "after_s": 0.0,
            "kind": "started",
            "weight": 5.0,
            "by": "token deploy",
            "reason": "the target is v2",
        },
        {"revision": 9, "at": 61.0, "after_s": 61.0, "kind": "rolling_back", "weight": 0.0, "by": "headgate", "reason": "it fails"},
    ],
    "guard": {"kinds": {"failures": {"threshold": 4.60517}}},
    "series": {"interval_s": 10.0, "points": [point(10.0), point(61.0, "rolling_back", failures=4.60517)]},
}


def shown(told: dict[str, Any], width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(explanation(told))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_sentences_story_and_evidence_are_told_in_that_order() -> None:
    said = shown(TOLD)
    places = [
        said.index(text)
        for text in (
            "shop  rollout 3  v1 -> v2  rolled back",
            "  v2 was tried in place of v1.",
            "token deploy",
            " >9  1970-01-01 00:01:01.000Z  +1m01s  rolling_back",
            "failures  ▄█  10^2.0 of 10^2.0",
            "+10.0 s     5 %         10       1     3.5     190       0       -    10^1.0  p99: fail",
        )
    ]

    assert sorted(places) == places


def test_without_a_series_there_is_no_table() -> None:
    assert "over time" not in shown({**TOLD, "series": None})


def test_every_row_is_kept_while_they_fit() -> None:
    assert [1.0, 2.0] == [row["after_s"] for row in condensed([point(1.0), point(2.0)])]


def test_many_rows_are_drawn_together_and_their_counts_add_up() -> None:
    rows = condensed([point(float(n)) for n in range(200)])

    assert (True, 2000, 200) == (
        len(rows) <= ROWS_MAX,
        sum(row["candidate"]["requests"] for row in rows),
        sum(row["candidate"]["failures"] for row in rows),
    )


def test_nothing_is_drawn_together_across_a_decision() -> None:
    rows = condensed([point(float(n), "step" if n == 101 else "") for n in range(200)])

    assert [101.0] == [row["after_s"] for row in rows if row["event"]]


def test_decisions_alone_are_all_shown() -> None:
    assert 50 == len(condensed([point(float(n), "paused") for n in range(50)]))


def test_a_sparkline_keeps_its_peaks_when_it_is_squeezed() -> None:
    line = sparkline([0.0] * 299 + [1.0], 1.0)

    assert (60, "█", "▁") == (len(line), line[-1], line[0])


def test_a_sparkline_of_nothing_is_flat() -> None:
    assert "▁▁" == sparkline([0.0, 0.0], 0.0)


def test_times_are_said_as_people_do() -> None:
    assert ["+0.5 s", "+1m01s", "+2h00m05s", "-"] == [after(seconds) for seconds in (0.5, 61.9, 7205, None)]
