"""What workers saw of a switch, put together."""

from __future__ import annotations

from itertools import permutations

from proxy.telemetry.cutover import Cutover, merged

ONE = Cutover("shop", watched_s=10.0, held=2, hold_s_max=0.004, holds={3: 2}, old_last_s=10.5, new_first_s=10.9)
TWO = Cutover("shop", watched_s=10.1, held=1, left=1, hold_s_max=0.009, holds={3: 1}, old_last_s=10.4, new_first_s=10.8)
IDLE = Cutover("shop", watched_s=10.2)


def test_the_last_to_the_old_and_the_first_to_the_new_are_those_of_all_workers() -> None:
    both = merged([ONE, TWO])["shop"]

    assert (10.5, 10.8, 0.009, 3, 1, {3: 3}) == (
        both.old_last_s,
        both.new_first_s,
        both.hold_s_max,
        both.held,
        both.left,
        both.holds,
    )


def test_a_worker_that_saw_nothing_changes_nothing_but_since_when_all_watched() -> None:
    both = merged([IDLE, ONE])["shop"]

    assert (10.2, 10.5, 10.9) == (both.watched_s, both.old_last_s, both.new_first_s)


def test_the_order_of_workers_does_not_matter() -> None:
    results = {repr(merged(order)["shop"]) for order in permutations([ONE, TWO, IDLE])}

    assert 1 == len(results)


def test_services_are_kept_apart() -> None:
    assert {"shop", "cart"} == set(merged([ONE, Cutover("cart")]))
