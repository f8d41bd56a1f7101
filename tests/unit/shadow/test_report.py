"""The report."""

from __future__ import annotations

import json

import pytest

from proxy.shadow.counts import Counts, PathCount, RouteCount
from proxy.shadow.ratio import Ratios
from proxy.shadow.report import CALM_MIN, report


def counts(compared: int, *paths: PathCount, noise: str = "") -> Counts:
    route = RouteCount("r", compared, sum(p.differing for p in paths), paths={p.path: p for p in paths}, latency=Ratios({0: 50}))
    return Counts("shop", "v2", 7.0, noise, {"r": route})


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (counts(0), "cannot tell yet"),
        (counts(CALM_MIN - 1), "cannot tell yet"),
        (counts(CALM_MIN), "same"),
        (counts(1000, PathCount("$.a", "value", unpaired=1)), "cannot tell yet"),
        (counts(1000, PathCount("$.a", "value", unpaired=9)), "different"),
        (counts(1000, PathCount("$.a", "value", both=900), noise="v1b"), "same"),
        (counts(1000, PathCount("$.a", "value", copy_only=90), noise="v1b"), "different"),
        (counts(10, PathCount("$.a", "value", unpaired=9)), "different"),
    ],
)
def test_the_report_says_a_word(seen: Counts, word: str) -> None:
    assert report(seen)["word"] == word


def test_same_says_how_much_it_cannot_exclude() -> None:
    assert report(counts(3000))["reason"] == "no difference in 3000 pairs: less than 0.1 % of requests differ, at 95 %"


def test_no_path_is_a_difference_when_it_is_allowed() -> None:
    made = report(counts(1000, PathCount("$.a", "value", unpaired=9)), allow=("$.a",))

    assert (made["word"], made["routes"][0]["paths"][0]["finding"]) == ("same", "allowed")


def test_what_differs_stands_before_what_is_noise() -> None:
    seen = counts(1000, PathCount("$.n", "value", both=500), PathCount("$.a", "value", copy_only=90), noise="v1b")

    assert [p["path"] for p in report(seen)["routes"][0]["paths"]] == ["$.a", "$.n"]


def test_the_report_is_json() -> None:
    made = report(counts(1000, PathCount("$.a", "value", copy_only=90), noise="v1b"))

    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        (counts(0), None),
        (counts(1000), 0.0),
        (counts(1000, PathCount("$.a", "value", unpaired=10)), 0.01),
        (counts(1000, PathCount("$.a", "value", both=900), noise="v1b"), 0.0),
    ],
)
def test_the_mismatch_rate_leaves_noise_out(seen: Counts, rate: float | None) -> None:
    assert report(seen)["mismatch_rate"] == rate


def test_the_mismatch_rate_leaves_out_what_is_allowed() -> None:
    assert report(counts(1000, PathCount("$.a", "value", unpaired=10)), allow=("$.a",))["mismatch_rate"] == 0.0


def test_a_route_has_its_latencies_ratio() -> None:
    assert report(counts(1000))["routes"][0]["latency_ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0, "pairs": 50}
