"""Counting pairs."""

from __future__ import annotations

import msgspec
import pytest

from proxy import limits
from proxy.model.pair import Pair, Seen
from proxy.shadow.compare import Rules
from proxy.shadow.counts import OTHER, OTHER_ALLOWED, Counts
from tests.unit.shadow.pairs import counted, pair, seen


def test_equal_pairs_are_compared_and_do_not_differ() -> None:
    route = counted(pair({"a": 1}, {"a": 1})).routes["r"]

    assert (route.compared, route.differing, route.paths) == (1, 0, {})


@pytest.mark.parametrize(
    ("copy", "noise", "expected"),
    [(2, 1, (1, 0, 0, 0)), (1, 2, (0, 1, 0, 0)), (2, 2, (0, 0, 1, 0)), (2, None, (0, 0, 0, 1))],
)
def test_a_path_knows_who_differed(copy: int, noise: int | None, expected: tuple[int, int, int, int]) -> None:
    count = counted(pair({"a": 1}, {"a": copy}, None if noise is None else {"a": noise})).routes["r"].paths["$.a value"]

    assert (count.copy_only, count.noise_only, count.both, count.unpaired) == expected


def test_a_copy_that_broke_is_failed_and_differs() -> None:
    counts = Counts("shop", "v2", 0.0)
    counts.add(Pair("shop", "v2", "r", "GET", "/", 0.0, seen(1), Seen(0, failure="connect")), Rules())
    route = counts.routes["r"]

    assert (route.compared, route.differing, route.failed, list(route.paths)) == (1, 1, 1, ["failure value"])


def test_ignored_paths_are_nobodys_difference() -> None:
    route = counted(pair({"a": 1}, {"a": 2}, {"a": 3}), ignore=("$.a",)).routes["r"]

    assert (route.differing, route.paths) == (0, {})


def test_the_first_pairs_of_a_path_are_kept_for_people() -> None:
    count = counted(*(pair({"a": 0}, {"a": i}, target=f"/{i}") for i in range(1, 10))).routes["r"].paths["$.a value"]

    assert [(s.target, s.original, s.copy) for s in count.samples] == [(f"/{i}", "0", str(i)) for i in range(1, 6)]


def test_routes_over_the_bound_are_counted_together() -> None:
    counts = counted(*(pair(1, 1, route=f"r{i}") for i in range(limits.COMPARED_ROUTES_MAX + 2)))

    assert (len(counts.routes), counts.routes[OTHER].compared) == (limits.COMPARED_ROUTES_MAX + 1, 2)


def test_paths_over_the_bound_are_counted_together() -> None:
    counts = counted(*(pair({f"a{i}": 1}, {}) for i in range(limits.COMPARED_PATHS_MAX + 3)))

    assert (counts.paths, counts.routes["r"].paths[OTHER].unpaired) == (limits.COMPARED_PATHS_MAX + 1, 3)


def test_allowed_paths_over_the_bound_are_counted_apart() -> None:
    counts = counted(*(pair({f"a{i}": 1}, {}) for i in range(limits.COMPARED_PATHS_MAX)))
    for i in range(3):
        counts.add(pair({f"b{i}": 1, "c": 1}, {}), Rules(), Rules(["$.b0", "$.b1", "$.b2"]))

    assert {key: counts.routes["r"].paths[key].unpaired for key in (OTHER, OTHER_ALLOWED)} == {OTHER: 3, OTHER_ALLOWED: 3}


def test_latencies_of_answers_are_held_against_each_other() -> None:
    counts = Counts("shop", "v2", 0.0)
    for _ in range(50):
        counts.add(Pair("shop", "v2", "r", "GET", "/", 0.0, seen(1, 0.01), seen(1, 0.03)), Rules())
    interval = counts.routes["r"].latency.interval()

    assert interval is not None
    assert round(interval.median) == 3


def test_counts_are_kept_and_come_back_as_they_were() -> None:
    counts = counted(pair({"a": 1}, {"a": 2}, {"a": 1}), pair(1, 1, route="other"))

    assert msgspec.json.decode(msgspec.json.encode(counts), type=Counts) == counts
