"""What the clients' records say."""

from __future__ import annotations

from collections import Counter

from proxy.cli.demo.clients import Record
from proxy.cli.demo.facts import SETTLE_S, caught, counted_by_proxy, moved_back, step_split
from proxy.cli.demo.watcher import Weight


def record(user: int, at: float, version: str, status: int = 200, took: float = 0.01) -> Record:
    """A request sent at ``at``."""
    return Record(user, at, at + took, status, version, version)


def test_a_step_s_split_leaves_its_edges_out() -> None:
    inside = [record(1, 10.5, "v1"), record(2, 10.6, "v2"), record(3, 10.7, "v1"), record(3, 10.8, "v1")]
    edges = [record(9, 10.0 + SETTLE_S / 2, "v2"), record(9, 13.0 - SETTLE_S / 2, "v2")]

    split = step_split(inside + edges, Weight(10.0, 25.0, 1), 13.0, "v2")

    assert (25.0, 4, 1, 3, 1) == (split.measured, split.requests, split.candidate_requests, split.users, split.candidate_users)


def test_a_step_without_requests_has_no_split() -> None:
    assert step_split([], Weight(0.0, 5.0, 0), 3.0, "v2").measured is None


def test_a_user_who_returns_to_stable_has_moved_back() -> None:
    records = [record(1, 1.0, "v1"), record(1, 2.0, "v2"), record(1, 3.0, "v1"), record(2, 1.0, "v1"), record(2, 2.0, "v2")]

    assert {1} == moved_back(records, "v2")


def test_the_order_of_sending_counts_and_not_the_order_of_records() -> None:
    assert set() == moved_back([record(1, 2.0, "v2"), record(1, 1.0, "v1")], "v2")


def test_exposure_runs_from_the_first_bad_answer_to_the_last_candidate_request() -> None:
    records = [record(1, 1.0, "v3"), record(2, 2.0, "v3", 500), record(3, 2.1, "v3", 500), record(4, 2.16, "v3"), record(4, 9.0, "v2")]

    end = caught(records, "v3")

    assert end is not None
    assert (150.0, 2, 2, 4) == (round(end.exposure_ms, 3), end.failures, end.users_failed, end.users_met)


def test_no_request_after_the_first_bad_answer_is_no_exposure() -> None:
    end = caught([record(1, 1.0, "v3", 500)], "v3")

    assert end is not None
    assert 0.0 == end.exposure_ms


def test_a_bad_answer_of_another_version_catches_nobody() -> None:
    assert caught([record(1, 1.0, "v2", 500), record(1, 1.1, "v3")], "v3") is None


def test_an_answer_of_the_proxy_itself_is_the_version_s_it_names() -> None:
    end = caught([Record(1, 1.0, 1.1, 502, "", "v3")], "v3")

    assert end is not None
    assert 1 == end.failures


def test_the_proxy_s_counts_are_summed_over_codes() -> None:
    text = (
        "# TYPE headgate_requests_total counter\n"
        'headgate_requests_total{service="shop",version="v1",code="200"} 1200.0\n'
        'headgate_requests_total{code="500",service="shop",version="v1"} 3.0\n'
        'headgate_requests_total{service="shop",version="v2",code="200"} 1e+02\n'
        'headgate_requests_total{service="",version="",code="404"} 7.0\n'
        'headgate_requests_created{service="shop",version="v1",code="200"} 1.7e+09\n'
    )

    assert Counter({"v1": 1203, "v2": 100}) == counted_by_proxy(text, "shop")
