"""The comparison report for people."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from proxy.cli.shadow_view import render

SHADOW = {"version": "v2", "percent": 20.0, "noise": "", "compare": True}
PATH = {
    "path": "$.price",
    "kind": "value",
    "finding": "differs",
    "copy_only": 12,
    "noise_only": 1,
    "both": 2,
    "unpaired": 0,
    "log_evidence": 23.03,
    "threshold": 9.21,
    "samples": [{"method": "GET", "target": "/a", "original": "1", "copy": "2"}],
}
ROUTE = {
    "route": "shop/*",
    "compared": 100,
    "differing": 12,
    "failed": 0,
    "latency_ratio": {"median": 1.5, "low": 1.25, "high": 2.0, "pairs": 100},
    "paths": [PATH],
}
REPORT = {"word": "different", "reason": "1 path of the answers is different", "routes": [ROUTE]}
COPIES = {"v2": {"sampled": 105, "results": {"match": 88, "mismatch": 12}, "dropped": {"in_flight": 4}, "in_flight": 1}}


def lines(samples: bool = False, **body: Any) -> list[str]:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render({"service": "shop", "shadow": SHADOW, "copies": {}, "report": None} | body, samples=samples))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_who_gets_copies_is_the_first_line() -> None:
    assert lines()[0] == "shop  20 % of safe requests are copied to v2"


def test_a_noise_leg_is_named() -> None:
    assert lines(shadow=SHADOW | {"noise": "v1b"})[0] == "shop  20 % of safe requests are copied to v2, and to v1b as the noise leg"


def test_without_copies_it_says_so() -> None:
    assert lines(shadow=None) == ["shop  no copies are sent", "nothing is compared"]


def test_what_became_of_copies_is_told() -> None:
    assert lines(copies=COPIES)[1] == "copies to v2: 105 sampled: 88 match, 12 mismatch, 4 dropped (in_flight), 1 in flight"


def test_a_comparer_that_does_not_answer_is_told_apart_from_nothing_compared() -> None:
    assert [lines()[-1], lines(shadow=SHADOW | {"compare": False})[-1]] == ["the comparer does not answer now", "nothing is compared"]


def test_a_path_that_differs_is_a_row_with_its_evidence() -> None:
    shown = lines(report=REPORT)

    assert shown[1:4] == [
        "different: 1 path of the answers is different",
        "",
        "shop/*  100 compared, 12 differ; latency 1.50 times (1.25 to 2.00)",
    ]
    assert shown[-1].split() == ["$.price", "value", "differs", "12", "1", "2", "10^10.0", "of", "10^4.0"]


def test_samples_are_shown_when_asked_for() -> None:
    assert lines(True, report=REPORT)[-1] == "    GET /a: 1 -> 2"


def test_without_a_noise_leg_there_is_no_evidence() -> None:
    route = ROUTE | {"paths": [PATH | {"log_evidence": None}]}

    assert lines(report=REPORT | {"routes": [route]})[-1].split()[-1] == "-"
