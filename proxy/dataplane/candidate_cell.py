"""The cell of a candidate: it also counts whom the candidate reached, for the blast radius of its rollout.

No other version's requests pay for that: which cell a version has is settled when a plan is compiled. Users are known where the service
is sticky; what stands for them is the hash that the split has made anyway.
"""

from __future__ import annotations

from time import perf_counter

from proxy import limits
from proxy.telemetry.recorder import Cell
from proxy.telemetry.snapshot import CellDelta, Reached

_record = Cell.record  # called for each of its requests: ``super()`` would look for it each time


class CandidateCell(Cell):
    """Counts of the candidate under one split, and who met it."""

    __slots__ = ("_failed_at", "_hurt", "_hurt_dropped", "_last_began", "_met", "_met_dropped", "_room", "_saved", "_unknown")

    def _reset(self) -> None:
        super()._reset()
        self._room = limits.MET_USERS_PER_SNAPSHOT_MAX
        self._met: set[int] = set()
        self._met_dropped = 0
        self._hurt: set[int] = set()
        self._hurt_dropped = 0
        self._unknown = 0
        self._saved = False
        self._last_began = 0.0
        self._failed_at = 0.0

    def record(self, code: int, cause: str | None, duration_s: float, drawn: bool, user: int) -> bool:
        """As every cell does, and remember whom it was for."""
        now = perf_counter()
        if (began := now - duration_s) > self._last_began:
            self._last_began = began
        if user:
            met = self._met
            if len(met) < self._room:
                met.add(user)
            elif user not in met:
                self._met_dropped += 1
        else:
            self._unknown += 1
        if cause is not None:
            self._note_failure(user, now)
        return _record(self, code, cause, duration_s, drawn, user)

    def fell_back(self) -> None:
        """Stable answers in the candidate's place: the failure that is recorded next was seen by nobody."""
        super().fell_back()
        self._saved = True

    def take(self, in_flight: int) -> CellDelta:
        """The counts since the last call, with whom they reached."""
        now = perf_counter()
        reached = Reached(
            met=list(self._met),
            met_dropped=self._met_dropped,
            hurt=list(self._hurt),
            hurt_dropped=self._hurt_dropped,
            unknown=self._unknown,
            last_began_ago_s=now - self._last_began if self._last_began else None,
            first_failed_ago_s=now - self._failed_at if self._failed_at else None,
        )
        delta = super().take(in_flight)
        delta.reached = reached
        return delta

    def _note_failure(self, user: int, now: float) -> None:
        if not self._failed_at:
            self._failed_at = now
        saved, self._saved = self._saved, False
        if saved or not user or user in self._hurt:
            return
        if len(self._hurt) < self._room:
            self._hurt.add(user)
        else:
            self._hurt_dropped += 1
