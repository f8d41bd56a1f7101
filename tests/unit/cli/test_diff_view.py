from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from proxy.cli.diff_view import render

NOTHING: dict[str, Any] = {
    "same": False,
    "refused": [],
    "file": "h.yaml",
    "routes": [],
    "services": [],
    "rollouts": [],
    "other": [],
}
ROUTE = {"change": "moved", "route": "*/*", "match": {}, "from": "shop", "to": "blog", "rps": 12.0, "instead": None, "differences": []}


def text(**found: Any) -> str:
    console = Console(record=True, width=120, file=StringIO())
    console.print(render(NOTHING | found))
    return console.export_text()


def test_no_difference_is_said() -> None:
    assert "no difference: h.yaml is what runs\n" == text(same=True)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "  > */*  shop -> blog  12.0 requests/s now\n"),
        ({"change": "removed", "to": None, "rps": 0.0, "instead": "a/* (web)"}, "  - */*  was shop  no requests now  then a/* (web)\n"),
        ({"change": "added", "from": None, "rps": None, "instead": "no route (404)"}, "  + */*  -> blog  takes from no route (404)\n"),
        ({"change": "changed", "from": "blog"}, "  ~ */*  -> blog  12.0 requests/s now\n"),
    ],
)
def test_a_route_is_a_line_with_its_requests(change: dict[str, Any], line: str) -> None:
    assert line in text(routes=[ROUTE | change])


def test_the_busiest_route_comes_first() -> None:
    shown = text(routes=[ROUTE | {"route": "quiet/*", "rps": 1.0}, ROUTE | {"route": "busy/*", "rps": 9.0}])

    assert shown.index("busy/*") < shown.index("quiet/*")


def test_conditions_that_a_routes_name_leaves_out_are_said() -> None:
    assert "with headers x-b: 1, query q: 2\n" in text(routes=[ROUTE | {"match": {"headers": {"x-b": "1"}, "query": {"q": "2"}}}])


def test_a_service_shows_versions_endpoints_and_values() -> None:
    version = {
        "change": "changed",
        "version": "v1",
        "endpoints_added": ["10.0.0.2:80"],
        "endpoints_removed": ["10.0.0.1:80"],
        "differences": [],
    }
    values = [{"key": "target", "before": "v1", "after": "v2"}, {"key": "health", "before": None, "after": {"path": "/h"}}]
    shown = text(services=[{"change": "changed", "service": "shop", "rps": 3.0, "versions": [version], "differences": values}])

    assert [
        "services",
        "  ~ shop  3.0 requests/s now",
        "      ~ version v1",
        "          + 10.0.0.2:80",
        "          - 10.0.0.1:80",
        "      target: v1 -> v2",
        '      health: nothing -> {"path": "/h"}',
    ] == shown.splitlines()[:7]


def test_rollouts_say_what_would_and_what_would_not_happen() -> None:
    rollout = {
        "service": "shop",
        "phase": "progressing",
        "candidate": "v2",
        "records": [{"kind": "rolling_back", "reason": "the target is v1"}],
        "notes": ["nothing begins"],
    }

    assert ["rollouts", "  shop (now progressing, v2)", "      rolling back: the target is v1", "      nothing begins"] == text(
        rollouts=[rollout]
    ).splitlines()[:4]


def test_a_refusal_has_its_reasons() -> None:
    assert ["a reload would refuse this, and change nothing", "  ! workers: changed"] == text(refused=["workers: changed"]).splitlines()


def test_a_thousand_changes_are_cut() -> None:
    shown = text(routes=[ROUTE] * 1000)

    assert "  and 800 more lines; --output json has them all\n" in shown
