"""Requests that wait because every endpoint of their version has as much as it may have.

First come, first served; bounded in number and in time. Knows nothing of endpoints: a waiting request is asked whether it finds
a place.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Protocol

from proxy.dataplane.wheel import Wheel


class Waiting(Protocol):
    """A request that waits for a place."""

    def place_found(self) -> bool:
        """Take a place if there is one now."""

    def gave_up(self) -> None:
        """It waited too long."""


class Ticket:
    """One request's place in the queue."""

    __slots__ = ("_backlog", "deadline", "waiting", "wake_at")

    def __init__(self, backlog: Backlog, waiting: Waiting) -> None:
        self._backlog = backlog
        self.waiting = waiting
        self.deadline = inf
        self.wake_at = inf

    def timed_out(self, _now: float) -> None:
        self.leave()
        self.waiting.gave_up()

    def leave(self) -> None:
        """Wait no more."""
        self._backlog.queue.remove(self)
        self._backlog.over(self)


class Backlog:
    """The queue of one version in one worker."""

    __slots__ = ("_busy", "_wheel", "queue")

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._busy = False
        self.queue: deque[Ticket] = deque()

    def join(self, waiting: Waiting, size: int, now: float, timeout_s: float) -> Ticket | None:
        """A ticket, or None when ``size`` requests wait already."""
        if len(self.queue) >= size:
            return None
        ticket = Ticket(self, waiting)
        ticket.deadline = now + timeout_s
        self._wheel.schedule(ticket, ticket.deadline)
        self.queue.append(ticket)
        return ticket

    def over(self, ticket: Ticket) -> None:
        """It waits no more, and its request is not to be kept in memory until it would have waited too long."""
        ticket.deadline = inf
        self._wheel.forget(ticket)

    def wake(self) -> None:
        """A place may have become free: ask those who wait, in order, until one finds none."""
        if self._busy:
            return  # a request that was placed and failed at once has freed its place: the loop below goes on
        self._busy = True
        try:
            while self.queue:
                ticket = self.queue[0]
                if not ticket.waiting.place_found():
                    break
                if self.queue and self.queue[0] is ticket:
                    self.queue.popleft()
                self.over(ticket)
        finally:
            self._busy = False
