"""The blast radius in a line."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli.radius_view import reached

RADIUS: dict[str, Any] = {"requests": 446, "errors": 0, "saved_by_fallback": 0, "users": 113, "users_with_errors": 0}


def view(**radius: Any) -> dict[str, Any]:
    return {"candidate": "v2", "blast_radius": RADIUS | radius}


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        ({}, "446 requests of 113 users"),
        ({"users": None, "users_with_errors": None, "errors": 2}, "446 requests; 2 failed"),
        (
            {"errors": 19, "users_with_errors": 1, "users_at_least": True},
            "446 requests of at least 113 users; 19 failed, 1 user saw an error",
        ),
        (
            {"errors": 19, "saved_by_fallback": 19},
            "446 requests of 113 users; 19 failed, stable answered 19 of them, 0 users saw an error",
        ),
        ({"requests": 1, "users": 1}, "1 request of 1 user"),
        ({"requests": 0}, ""),
    ],
)
def test_whom_it_reached_is_said_in_a_line(radius: dict[str, Any], said: str) -> None:
    assert said == reached(view(**radius))


@pytest.mark.parametrize("without", [{"candidate": None}, {"blast_radius": None}])
def test_without_a_candidate_there_is_nothing_to_say(without: dict[str, Any]) -> None:
    assert "" == reached(view() | without)
