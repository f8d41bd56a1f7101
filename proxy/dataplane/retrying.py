"""What sending a request a second time takes: permission (the budget of a service) and its body (the replay).

Whether a second sending is safe is the exchange's to say (rule 38); here is only how many there may be and what is kept for them.
"""

from __future__ import annotations

from proxy import limits


class Budget:
    """Retries of one service in one worker. At most a share of the requests in flight, so that retries cannot become the load."""

    __slots__ = ("_retrying",)

    def __init__(self) -> None:
        self._retrying = 0

    def allows(self, in_flight: int) -> bool:
        """Whether one more may begin while ``in_flight`` requests of the service are under way."""
        return self._retrying < max(limits.RETRY_BUDGET_MIN, limits.RETRY_BUDGET_SHARE * in_flight)

    def take(self) -> None:
        """A request is being retried, until ``give``."""
        self._retrying += 1

    def give(self) -> None:
        """It has ended."""
        self._retrying -= 1
        assert self._retrying >= 0, "given more often than taken"


class ReplayRoom:
    """The memory of a worker for bodies that may be sent again. ``refused`` counts bodies that were not kept for lack of it."""

    __slots__ = ("bytes", "refused")

    def __init__(self) -> None:
        self.bytes = 0
        self.refused = 0

    def take_refused(self) -> int:
        """Bodies refused since the last call."""
        refused, self.refused = self.refused, 0
        return refused


class Replay:
    """The body of one request as it was framed for the origin, as far as it has come."""

    __slots__ = ("_room", "_size", "pieces")

    def __init__(self, room: ReplayRoom) -> None:
        self._room = room
        self._size = 0
        self.pieces: list[bytes] = []

    def keep(self, pieces: list[bytes]) -> bool:
        """Keep more of the body; False when that would be too much, and then nothing of it is kept any more."""
        size = sum(map(len, pieces))
        if self._size + size > limits.REPLAY_BYTES_MAX:
            self.free()
            return False
        if self._room.bytes + size > limits.REPLAY_TOTAL_BYTES_MAX:
            self._room.refused += 1
            self.free()
            return False
        self._size += size
        self._room.bytes += size
        self.pieces += pieces
        return True

    def free(self) -> None:
        """Give the memory back."""
        self._room.bytes -= self._size
        self._size = 0
        self.pieces = []
