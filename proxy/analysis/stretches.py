"""What candidate and stable did over the same seconds: sums over the step so far, and over the last so many seconds, for the checks.

What counts
-----------
Only requests that the split drew: nobody's override, mirror or retry elsewhere, and no answer that stable gave in the candidate's
place. ``failures`` are by cause, all causes, each request once. ``latency`` is of those that did not fail, in the buckets of
``telemetry.histogram``: a failure is told by the failures, and whether it came at once or after a time-out says nothing of how fast the
version answers. A request is counted when it ends, so at a step's beginning there are some that were drawn before it.

The *step so far* is one sum, however long it takes. A *window* is a ring of ``limits.CHECK_WINDOW_SLOTS`` slots and at most one of them
longer than it says. The seconds are those that were observed: a silence of all workers is no time. After a restart the step so far goes
on and windows begin anew. Knows no check, no limit and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import msgspec

from proxy import limits
from proxy.model.position import Position
from proxy.telemetry.histogram import merge
from proxy.telemetry.snapshot import CellDelta


class Side(msgspec.Struct, forbid_unknown_fields=True):
    """One version's part: requests drawn, how many failed, and the latency of those that did not."""

    requests: int = 0
    failures: int = 0
    latency: dict[int, int] = {}

    def count(self, delta: CellDelta) -> None:
        """Add a worker's difference."""
        self.requests += delta.draws
        self.failures += sum(delta.draw_failures.values()) + len(delta.failed_users) + sum(delta.failed_users_dropped.values())
        merge(self.latency, drawn_latency(delta))

    def add(self, other: Side) -> None:
        """Add another stretch's."""
        self.requests += other.requests
        self.failures += other.failures
        merge(self.latency, other.latency)

    def forget(self, other: Side) -> None:
        """Take away an earlier part of this one."""
        self.requests -= other.requests
        self.failures -= other.failures
        for index, count in other.latency.items():
            if left := self.latency[index] - count:
                self.latency[index] = left
            else:
                del self.latency[index]


class Stretch(msgspec.Struct, forbid_unknown_fields=True):
    """Both versions over the same observed ``seconds``. Of ``compared`` copies' answers ``mismatched`` differed."""

    seconds: float = 0.0
    candidate: Side = msgspec.field(default_factory=Side)
    stable: Side = msgspec.field(default_factory=Side)
    compared: int = 0
    mismatched: int = 0

    def count(self, delta: CellDelta, *, stable: str, candidate: str) -> None:
        """Add a worker's difference to its version's side; one of another version is ignored."""
        if delta.version == candidate:
            self.candidate.count(delta)
        elif delta.version == stable:
            self.stable.count(delta)

    def add(self, other: Stretch) -> None:
        """Add a later one."""
        self.seconds += other.seconds
        self.candidate.add(other.candidate)
        self.stable.add(other.stable)
        self.compared += other.compared
        self.mismatched += other.mismatched

    def forget(self, other: Stretch) -> None:
        """Take away an earlier part of this one."""
        self.seconds -= other.seconds
        self.candidate.forget(other.candidate)
        self.stable.forget(other.stable)
        self.compared -= other.compared
        self.mismatched -= other.mismatched


class _Window:
    """The last ``length_s`` seconds: their sum, and its parts in slots, oldest first; the last one is being filled."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self.total = Stretch()
        self._slots: deque[Stretch] = deque([Stretch()])

    @property
    def filling(self) -> tuple[Stretch, Stretch]:
        """What counts are added to."""
        return self.total, self._slots[-1]

    def observed(self, seconds: float) -> None:
        """Let time pass: forget what is older than the window, and begin another slot when the present one has its length."""
        for stretch in self.filling:
            stretch.seconds += seconds
        while self.total.seconds - self._slots[0].seconds >= self._length_s:
            self.total.forget(self._slots.popleft())
        if self._slots[-1].seconds * limits.CHECK_WINDOW_SLOTS >= self._length_s:
            self._slots.append(Stretch())


class Stretches:
    """The sums of one rollout. ``windows_s`` are the lengths that will be asked for; 0 is the step so far, and always there."""

    def __init__(self, rollout: int, windows_s: Iterable[float] = ()) -> None:
        self.rollout = rollout
        self._step = Stretch()
        self._windows = {length_s: _Window(length_s) for length_s in windows_s if length_s > 0}

    @classmethod
    def of(cls, position: Position) -> Self:
        """Empty, with the windows that the plan's checks want, and that in which an outage is told."""
        asked = {check.window_s for check in position.plan.checks if check.metric is not None}
        return cls(position.rollout, {*asked, limits.OUTAGE_S})

    def enter(self) -> None:
        """A step begins."""
        self._step = Stretch()

    def observed(self, seconds: float) -> None:
        """So much time has passed, and was observed; its counts have come, or come next."""
        self._step.seconds += seconds
        for window in self._windows.values():
            window.observed(seconds)

    def count(self, delta: CellDelta, *, stable: str, candidate: str) -> None:
        """Count a worker's cell; one of another rollout or another version is ignored."""
        if delta.rollout != self.rollout:
            return
        counted = Stretch()
        counted.count(delta, stable=stable, candidate=candidate)
        self.recorded(counted)

    def recorded(self, stretch: Stretch) -> None:
        """Add a whole stretch as it was recorded, its seconds with it."""
        for filling in self._filling():
            filling.add(stretch)
        for window in self._windows.values():
            window.observed(0.0)

    def compared(self, compared: int, mismatched: int) -> None:
        """So many copies were compared, and so many of them differed."""
        for stretch in self._filling():
            stretch.compared += compared
            stretch.mismatched += mismatched

    def over(self, window_s: float) -> Stretch:
        """The last ``window_s`` seconds, or the step so far (0). Not to be changed."""
        return self._windows[window_s].total if window_s > 0 else self._step

    def to_json(self) -> dict[str, Any]:
        """JSON values of the step so far."""
        out: dict[str, Any] = msgspec.to_builtins(self._step, str_keys=True)
        return out

    def restore(self, data: dict[str, Any]) -> None:
        """Go on with the step that ``to_json`` described. Raises ``msgspec.ValidationError``."""
        self._step = msgspec.convert(data, Stretch, str_keys=True)

    def _filling(self) -> list[Stretch]:
        return [self._step, *(stretch for window in self._windows.values() for stretch in window.filling)]


def drawn_latency(delta: CellDelta) -> dict[int, int]:
    """Latency, by bucket, of the answers that the split drew and that did not fail."""
    aside = delta.latency_aside
    if not aside:
        return delta.latency
    return {index: left for index, count in delta.latency.items() if (left := count - aside.get(index, 0)) > 0}
