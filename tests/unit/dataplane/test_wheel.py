from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from proxy import limits
from proxy.dataplane.wheel import Wheel

TICK_S = limits.WHEEL_TICK_S


class Handle:
    """A timer that was asked for."""

    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Keeps what ``call_later`` was given."""

    def __init__(self) -> None:
        self.handles: list[Handle] = []
        self.told: list[dict[str, Any]] = []

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.told.append(context)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Handle:
        self.handles.append(Handle(delay_s, callback))
        return self.handles[-1]


class Item:
    """Something with a time-out; ``seen`` are the moments it was told of."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self.deadline = inf
        self.wake_at = inf
        self.seen: list[float] = []

    def set(self, deadline: float) -> None:
        """As a connection does it: scheduled only when that is before the wheel's next look."""
        self.deadline = deadline
        if deadline < self.wake_at:
            self._wheel.schedule(self, deadline)

    def timed_out(self, now: float) -> None:
        assert inf == self.deadline, "the wheel resets the deadline first"
        self.seen.append(now)


class Turner:
    """A wheel whose time moves when told."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now
        self.loop = Loop()
        loop: Any = self.loop
        self.wheel = Wheel(loop, clock=lambda: self.now)

    def turn_to(self, now: float, step_s: float = TICK_S / 4) -> None:
        """Advance in small steps, as a busy loop's timer would."""
        while self.now + step_s < now:
            self.now += step_s
            self.wheel.advance(self.now)
        self.now = now
        self.wheel.advance(now)


def test_a_deadline_is_met_once_and_never_early() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(101.23)
    time.turn_to(101.22)
    before = list(item.seen)
    time.turn_to(110.0)

    assert ([], 1) == (before, len(item.seen))
    assert 101.23 <= item.seen[0] <= 101.23 + 2 * TICK_S


@pytest.mark.parametrize("offset_s", [n * 0.013 for n in range(40)])
def test_a_deadline_is_met_within_two_ticks_wherever_it_falls(offset_s: float) -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(100.0 + offset_s)
    time.turn_to(103.0)

    assert 1 == len(item.seen)
    assert 100.0 + offset_s <= item.seen[0] <= 100.0 + offset_s + 2 * TICK_S


def test_a_deadline_moved_later_costs_nothing_and_is_met_then() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(101.0)
    scheduled = item.wake_at
    item.set(103.0)

    assert scheduled == item.wake_at, "nothing was scheduled anew"
    time.turn_to(102.9)
    assert [] == item.seen
    time.turn_to(104.0)
    assert 1 == len(item.seen)


def test_a_deadline_moved_earlier_is_met_then_and_once() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(105.0)
    item.set(101.0)
    time.turn_to(110.0)

    assert 1 == len(item.seen)
    assert 101.0 <= item.seen[0] <= 101.0 + 2 * TICK_S


def test_a_deadline_taken_back_is_not_met() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(101.0)
    item.deadline = inf
    time.turn_to(110.0)

    assert ([], inf) == (item.seen, item.wake_at)


def test_an_item_may_be_scheduled_again_after_its_time_out() -> None:
    time = Turner()
    item = Item(time.wheel)
    for deadline in (101.0, 102.0, 103.0):
        item.set(deadline)
        time.turn_to(deadline + 0.5)

    assert 3 == len(item.seen)


def test_a_deadline_in_the_past_is_met_at_the_next_tick() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(1.0)
    time.turn_to(100.0 + 2 * TICK_S)

    assert 1 == len(item.seen)


def test_an_item_may_set_a_deadline_while_it_is_told() -> None:
    time = Turner()

    class Again(Item):
        def timed_out(self, now: float) -> None:
            super().timed_out(now)
            if len(self.seen) < 3:
                self.set(now)

    item = Again(time.wheel)
    item.set(101.0)
    time.turn_to(105.0)

    assert 3 == len(item.seen)


def test_a_long_pause_of_the_loop_meets_every_deadline_at_once() -> None:
    time = Turner()
    items = [Item(time.wheel) for _ in range(50)]
    for number, item in enumerate(items):
        item.set(101.0 + number / 7)
    time.now = 200.0
    time.wheel.advance(200.0)

    assert [[200.0]] * 50 == [item.seen for item in items]


def test_a_clock_that_stands_still_turns_nothing() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(100.0)
    time.wheel.advance(100.0)

    assert [] == item.seen


def test_nothing_is_kept_of_what_is_over() -> None:
    """Items that are gone are let go when their slot comes round."""
    time = Turner()
    for number in range(100):
        item = Item(time.wheel)
        item.set(101.0 + number / 10)
        item.deadline = inf
    time.turn_to(120.0)

    assert {} == time.wheel._slots


def test_an_item_that_is_forgotten_is_kept_no_longer() -> None:
    """A connection that has ended must not stay in memory until its time-out would have come."""
    time = Turner()
    items = [Item(time.wheel) for _ in range(100)]
    for item in items:
        item.set(160.0)
    for item in items:
        time.wheel.forget(item)
        time.wheel.forget(item)  # once more is nothing

    assert (0, {inf}) == (sum(map(len, time.wheel._slots.values())), {item.wake_at for item in items})
    time.turn_to(165.0)
    assert [] == [item.seen for item in items if item.seen]


def test_an_item_stands_in_one_slot_however_often_its_deadline_is_moved_earlier() -> None:
    time = Turner()
    item = Item(time.wheel)
    for deadline in range(160, 110, -1):
        item.set(float(deadline))

    assert 1 == sum(map(len, time.wheel._slots.values()))
    time.turn_to(165.0)
    assert 1 == len(item.seen)


def test_an_item_may_forget_another_of_its_slot_while_it_is_told() -> None:
    time = Turner()
    other = Item(time.wheel)

    class Closes(Item):
        def timed_out(self, now: float) -> None:
            super().timed_out(now)
            time.wheel.forget(other)

    item = Closes(time.wheel)
    item.set(101.0)
    other.set(101.0)
    time.turn_to(105.0)

    assert (1, []) == (len(item.seen), other.seen)


def test_requests_on_one_connection_do_not_pile_up_in_the_wheel() -> None:
    """A short and a long time-out in turn, as requests and idle times are."""
    time = Turner()
    item = Item(time.wheel)
    for number in range(2000):
        item.set(time.now + (1.0 if number % 2 else 60.0))
        time.turn_to(time.now + 0.05)

    assert [] == item.seen
    assert sum(map(len, time.wheel._slots.values())) <= 1


def test_a_started_wheel_turns_itself_every_tick_until_stopped() -> None:
    time = Turner()
    item = Item(time.wheel)
    item.set(100.05)
    time.wheel.start()
    time.now += 3 * TICK_S
    time.loop.handles[-1].callback()

    assert [TICK_S, TICK_S] == [handle.delay_s for handle in time.loop.handles]
    assert 1 == len(item.seen)
    time.wheel.stop()
    assert time.loop.handles[-1].cancelled
    time.wheel.stop()


def test_a_fault_in_one_time_out_is_told_and_the_others_are_met() -> None:
    """One broken connection must not leave all others of its slot without a time-out for ever."""
    time = Turner()

    class Broken(Item):
        def timed_out(self, now: float) -> None:
            raise RuntimeError("a bug of ours")

    broken, item, later = Broken(time.wheel), Item(time.wheel), Item(time.wheel)
    for one in (broken, item):
        one.set(101.0)
    later.set(102.0)
    time.turn_to(103.0)

    assert (1, 1) == (len(item.seen), len(later.seen))
    assert ["a bug of ours"] == [str(context["exception"]) for context in time.loop.told]


def test_the_system_clock_is_the_default() -> None:
    loop = asyncio.new_event_loop()
    try:
        wheel = Wheel(loop)
        wheel.start()
        wheel.stop()
    finally:
        loop.close()

    assert {} == wheel._slots
