from __future__ import annotations

from collections import Counter
from math import inf
from random import Random
from typing import Any

import pytest

from proxy.dataplane.legs import Leg
from proxy.dataplane.retrying import Budget
from proxy.model.plan import ServicePlan
from proxy.model.service import Endpoint, Timeouts, Version
from proxy.telemetry.recorder import Cell


class Pool:
    """An endpoint as the balancer sees it."""

    def __init__(self, name: str, active: int = 0, *, refused: bool = False) -> None:
        self.name = name
        self.active = active
        self.refused_until = inf if refused else -inf


def leg(*pools: Pool, balance: str = "least_requests", expose_version: bool = False) -> Leg:
    version = Version("v2", tuple(Endpoint("127.0.0.1", number + 1) for number in range(len(pools))))
    timeouts = Timeouts(connect_s=1.5, response_s=2.5, idle_s=3.5)
    plan = ServicePlan("shop", (version,), (1.0,), balance=balance, expose_version=expose_version, timeouts=timeouts)
    stand_ins: Any = list(pools)
    return Leg(plan, version, Cell("shop", "v2", 1), stand_ins, Budget())


def picked(one: Leg, tried: list[Pool] | None = None, **rest: Any) -> str | None:
    left: Any = tried
    pool: Any = one.pick(left, **rest)
    return pool.name if pool is not None else None


def test_a_leg_has_the_services_time_outs() -> None:
    one = leg(Pool("a"))

    assert (1.5, 2.5, 3.5) == (one.connect_s, one.response_s, one.idle_s)


@pytest.mark.parametrize(("expose", "line"), [(True, b"X-Headgate-Version: v2"), (False, b"")])
def test_the_version_is_named_in_the_answer_only_when_asked_for(expose: bool, line: bytes) -> None:
    assert line == leg(Pool("a"), expose_version=expose).version_line


def test_the_only_endpoint_is_picked_even_when_it_refused() -> None:
    assert "a" == picked(leg(Pool("a", refused=True)))


def test_no_endpoint_is_left_when_all_were_tried() -> None:
    a, b = Pool("a"), Pool("b")

    assert picked(leg(a), [a]) is None
    assert picked(leg(a, b), [a, b]) is None


@pytest.mark.parametrize("balance", ["least_requests", "round_robin"])
def test_an_endpoint_that_was_tried_is_not_picked_again(balance: str) -> None:
    a, b, c = Pool("a"), Pool("b"), Pool("c")
    one = leg(a, b, c, balance=balance)

    assert {"b", "c"} == {picked(one, [a]) for _ in range(200)}


@pytest.mark.parametrize("balance", ["least_requests", "round_robin"])
def test_an_endpoint_that_refused_is_picked_last(balance: str) -> None:
    a, b, c = Pool("a", refused=True), Pool("b", active=9), Pool("c", active=9)
    one = leg(a, b, c, balance=balance)

    assert {"b", "c"} == {picked(one) for _ in range(200)}
    assert "a" == picked(one, [b, c])


def test_endpoints_that_all_refused_are_all_tried() -> None:
    one = leg(Pool("a", refused=True), Pool("b", refused=True))

    assert {"a", "b"} == {picked(one) for _ in range(200)}


def test_round_robin_gives_each_endpoint_the_same() -> None:
    one = leg(Pool("a"), Pool("b"), Pool("c"), balance="round_robin")

    assert {"a": 100, "b": 100, "c": 100} == Counter(picked(one) for _ in range(300))


@pytest.mark.parametrize(("first", "second", "expected"), [(0.0, 0.0, "a"), (0.0, 0.999, "c"), (0.5, 0.0, "a"), (0.999, 0.999, "b")])
def test_the_less_busy_of_two_is_picked(first: float, second: float, expected: str) -> None:
    """Active: a 1, b 2, c 0; the two are a/b, a/c, b/a and c/b, and of a like pair the first."""
    draws = iter([first, second])
    answers = {"a": 1, "b": 2, "c": 0 if expected == "c" else 3}
    one = leg(*(Pool(name, active) for name, active in answers.items()))

    assert expected == picked(one, chance=lambda: next(draws))


def test_the_two_that_are_compared_are_never_the_same() -> None:
    """With every pair of draws, so the busiest endpoint is never picked."""
    one = leg(Pool("a", 1), Pool("b", 5), Pool("c", 2))
    grid = [number / 60 for number in range(60)]
    for first in grid:
        for second in grid:
            draws = iter([first, second])
            assert "b" != picked(one, chance=lambda draws=draws: next(draws))  # type: ignore[misc]  # bound at once


def test_like_endpoints_share_the_requests() -> None:
    one, chance = leg(Pool("a"), Pool("b"), Pool("c"), Pool("d")), Random(7).random
    counts = Counter(picked(one, chance=chance) for _ in range(20_000))

    assert 4 == len(counts)
    assert max(abs(count - 5000) for count in counts.values()) < 250
