"""When the next bytes of a request body are due (rule 41): a client that trickles holds two connections for next to nothing.

Judged over windows of time, so that a pause within one is nobody's business, and the first is longer: connections start slowly. Time in
which the proxy itself did not read is not the client's. Knows no connection and no clock.
"""

from __future__ import annotations

from math import inf

from proxy import limits


class Pace:
    """One connection's. ``ends`` is when the window is judged (``inf``: none has begun); ``seen`` counts its bytes."""

    __slots__ = ("_needed", "ends", "seen")

    def __init__(self, rate: int) -> None:
        """``rate`` is the fewest bytes a second; 0 is any."""
        self._needed = rate * limits.BODY_RATE_WINDOW_S
        self.ends = inf
        self.seen = 0

    def begin(self, now: float, *, may_wait: bool) -> None:
        """A body is announced. Where its client may first wait to be told to go on, its first byte begins the window."""
        self.ends = inf if may_wait or not self._needed else now + limits.BODY_RATE_GRACE_S + limits.BODY_RATE_WINDOW_S
        self.seen = 0

    def came(self, count: int, now: float) -> None:
        """Bytes of the body."""
        if self.ends == inf:
            self.begin(now, may_wait=False)
        self.seen += count

    def again(self, now: float) -> None:
        """The proxy reads on after a pause of its own, or the window was good: a new one."""
        if self.ends != inf:
            self.ends = now + limits.BODY_RATE_WINDOW_S
            self.seen = 0

    def due(self, now: float, idle_s: float) -> float:
        """When the next byte, or enough of them, must have come."""
        due = now + idle_s
        return due if due < self.ends else self.ends

    def goes_on(self, now: float, *, judged: bool) -> bool:
        """A deadline has passed: whether it was only the window's, which had enough, if that is ``judged`` at all. A new one begins."""
        if self.ends > now or (judged and self.seen < self._needed):
            return False
        self.again(now)
        return True
