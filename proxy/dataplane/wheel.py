"""Time-outs of every connection of a worker from one coarse timer, instead of one timer per request.

An item keeps its own ``deadline`` and moves it freely, at the cost of an attribute; only a deadline *earlier* than the moment the
wheel will next look at it (``wake_at``) has to be scheduled. A deadline is met up to two ticks late, never early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Protocol

from proxy import limits


class Timed(Protocol):
    """Something with a time-out. ``deadline`` and ``wake_at`` start at ``inf``; ``wake_at`` is the wheel's to write."""

    deadline: float
    wake_at: float

    def timed_out(self, now: float) -> None:
        """The deadline has passed; ``deadline`` was set to ``inf``."""


class Wheel:
    """Slots of one tick each. An item stands in one slot at most; one that is over is taken out by ``forget``, since it would else
    stay in memory until its time-out: at a thousand new connections a second and a minute of idle time, a quarter of a GiB."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = perf_counter) -> None:
        self._loop = loop
        self._clock = clock
        self._slots: dict[int, dict[Timed, None]] = {}  # dicts: ordered, and quick to take one out of
        self._position = int(clock() / limits.WHEEL_TICK_S)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to turn; needs the running loop."""
        self._timer = self._loop.call_later(limits.WHEEL_TICK_S, self._turn)

    def stop(self) -> None:
        """Turn no more; pending deadlines are never met."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def schedule(self, item: Timed, deadline: float) -> None:
        """See to it that ``item`` is looked at once ``deadline`` has passed. Only needed when that is before ``item.wake_at``."""
        if item.wake_at != inf:
            self.forget(item)
        slot = int(deadline / limits.WHEEL_TICK_S) + 1
        if slot <= self._position:
            slot = self._position + 1
        item.wake_at = slot * limits.WHEEL_TICK_S
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = {}
        items[item] = None

    def forget(self, item: Timed) -> None:
        """``item`` is over, or stands elsewhere from now on; nothing happens to one that is not scheduled."""
        if item.wake_at != inf:
            slot = self._slots.get(round(item.wake_at / limits.WHEEL_TICK_S))
            if slot is not None:  # else it is being looked at just now
                slot.pop(item, None)
            item.wake_at = inf

    def _turn(self) -> None:
        self._timer = self._loop.call_later(limits.WHEEL_TICK_S, self._turn)
        self.advance(self._clock())

    def advance(self, now: float) -> None:
        """Look at everything whose slot has come by ``now`` (seconds of the wheel's clock)."""
        target = int(now / limits.WHEEL_TICK_S)
        while self._position < target:
            self._position += 1
            items = self._slots.pop(self._position, None)
            if items is None:
                continue
            woken = self._position * limits.WHEEL_TICK_S
            for item in items:
                if item.wake_at != woken:
                    continue  # forgotten, or scheduled again, while the others of this slot were told
                item.wake_at = inf
                if item.deadline <= now:
                    item.deadline = inf
                    self._tell(item, now)
                elif item.deadline != inf:
                    self.schedule(item, item.deadline)

    def _tell(self, item: Timed, now: float) -> None:
        try:
            item.timed_out(now)
        except Exception as error:  # a fault in one must not leave the others of its slot without a time-out for ever
            self._loop.call_exception_handler({"message": f"the time-out of {item!r} failed", "exception": error})
