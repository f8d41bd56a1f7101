"""Time as an argument: the two clocks, and the durations between them.

``Clock.now`` is monotonic and measures; ``Clock.wall`` is Unix time and is for people and for what outlives the process. Nothing
outside this file reads a clock except the request path, which reads ``time.perf_counter`` once per event.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds, monotonic (``now``) and since the Unix epoch (``wall``)."""

    def now(self) -> float: ...

    def wall(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class ManualClock:
    """A clock that moves when told; for tests, the simulator and replay."""

    def __init__(self, now: float = 0.0, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._wall = wall

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Move both clocks forward; ``seconds`` is never negative."""
        assert seconds >= 0, "time does not go back"
        self._now += seconds
        self._wall += seconds
