"""One service as the loop holds it: its position, the counts its judge stands on, and when it was last looked at.

``Standing`` is edited by the loop only. ``Move`` is a step that was decided and is not yet in effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.judge import Judge
from proxy.analysis.tally import Tally
from proxy.control.baseline import Baseline
from proxy.control.memory import Memory
from proxy.model.position import RESTING, Phase, Position, Record, Verdict
from proxy.model.rollout import Check
from proxy.rollout.events import Ask, Command, Effect, EndpointLevel, Event, Measured, Publish, TargetSet
from proxy.rollout.machine import step
from proxy.rollout.rolling import DRAINING
from proxy.telemetry.snapshot import CellDelta, ShadowDelta


class Move(msgspec.Struct, frozen=True):
    """Where a service is to go: the new position, what the history will say of it, and whether workers are concerned.

    ``barrier``: they are, and all at the same moment. ``asks``: what is asked of the outside once the move is kept.
    """

    position: Position
    records: tuple[Record, ...] = ()
    publish: bool = False
    barrier: bool = False
    asks: tuple[Ask, ...] = ()

    @classmethod
    def made(cls, position: Position, effects: Sequence[Effect]) -> Move:
        """The outcome of a step of the machine."""
        records = tuple(effect for effect in effects if isinstance(effect, Record))
        publish = [effect for effect in effects if isinstance(effect, Publish)]
        asks = tuple(effect for effect in effects if isinstance(effect, Ask))
        return cls(position, records, bool(publish), any(effect.barrier for effect in publish), asks)

    @property
    def decides(self) -> bool:
        """Whether it is more than time passing."""
        return bool(self.records or self.publish or self.asks)


class Standing:
    """A service with a target. ``pending`` while workers have not all acknowledged the weights of ``position``."""

    def __init__(self, position: Position, tally: dict[str, Any] | None, now: float, memory: Memory | None = None) -> None:
        """``tally`` and ``memory`` are what is known of the position's rollout."""
        self.position = position
        self.memory = memory or Memory(position, sticky=False)
        self.judge = Judge(position, tally)
        self.baseline = Baseline()
        """Of all services; whoever keeps the standings puts it there."""
        self.counted = self.tally.candidate_requests
        self.measured_at = now
        self.kept_at = now
        self.verdict: Verdict | None = None
        self.pending = False
        self._copies = 0  # answered since the last measurement
        # Workers of a process before this one may have requests in flight on what was drained then, and report to nobody.
        self._blind = (position.rollout, position.step) if position.part == DRAINING else None
        self._deciding_s = 0.0  # observed, and counted by a decision that is not in effect yet

    @property
    def tally(self) -> Tally:
        """The counts that the guard stands on."""
        return self.judge.tally

    @property
    def running(self) -> bool:
        """Whether something is being tried, or being ended."""
        return self.position.phase not in RESTING

    def count(self, cell: CellDelta, at_s: float) -> bool:
        """Add a worker's difference; False when it is not of this rollout."""
        self.memory.count(cell, self.position, at_s)
        if not self.running or cell.rollout != self.position.rollout:
            return False
        self.judge.count(cell, self.position, at_s)
        return True

    def mirrored(self, delta: ShadowDelta) -> None:
        """Count copies for the candidate; those of a configured shadow have nothing to do with the rollout."""
        if self.position.phase is Phase.SHADOWING and delta.version == self.position.candidate:
            self._copies += sum(delta.results.values())
            differed = delta.results.get("mismatch", 0) + delta.results.get("error", 0)
            self.judge.compared(differed + delta.results.get("match", 0), differed)

    def measure(self, now: float, wall: float, endpoints: tuple[EndpointLevel, ...] = ()) -> Move:
        """Judge what has been counted and let the machine step. A silence longer than the bound was not observed, so is no time.

        ``endpoints`` are as in ``Measured``.
        """
        self.judge.enter(_place(self.position), wall)
        self.verdict = self.judge.verdict(self.position, wall)
        requests = self.tally.candidate_requests
        dt_s = min(now - self.measured_at, limits.OBSERVED_GAP_S_MAX)
        event = Measured(
            dt_s=dt_s,
            candidate_requests=requests - self.counted + self._copies,
            verdict=self.verdict,
            endpoints=self._seen(endpoints),
        )
        move = self.stepped(event, wall)
        self._deciding_s = dt_s if move.decides else 0.0
        if not move.decides:  # else only when it is durable: a decision that could not be kept is made again
            self.memory.recording.observed(dt_s)
            self.judge.observed(dt_s)
            self.measured_at, self.counted, self._copies = now, requests, 0
            self.position = move.position
        return move

    def _seen(self, endpoints: tuple[EndpointLevel, ...]) -> tuple[EndpointLevel, ...]:
        """The levels; of a drain that another process began none is known to be idle, so it lasts as long as it may."""
        if self.position.part != DRAINING or (self.position.rollout, self.position.step) != self._blind:
            return endpoints
        return tuple(replace(level, in_flight=level.in_flight + 1) for level in endpoints)

    def stepped(self, event: Event, wall: float) -> Move:
        """What the machine makes of an event. Raises ``IllegalTransition``."""
        if isinstance(event, TargetSet | Command | Measured):  # those that may lead into a step, which fixes what is slow
            event = replace(event, slow_over_s=self.baseline.slow_over_s((self.position.service, self.position.stable), wall))
        move = Move.made(*step(self.position, event, wall))
        return replace(move, records=self.memory.annotated(move.records))

    def take(self, move: Move, now: float) -> None:
        """The move is in the store: stand there."""
        if move.position.rollout != self.position.rollout:
            self.judge = Judge(move.position)
            self.verdict = None
        self.position = move.position
        self.counted, self._copies = self.tally.candidate_requests, 0
        self.measured_at = self.kept_at = now
        # A step to or from everything may leave the weights as they are; workers serve it already, and that too is acknowledged.
        self.pending = self.pending or move.publish or move.position.phase in (Phase.PROMOTING, Phase.ROLLING_BACK)

    def remember(self, wall: float, *, event: str = "") -> None:
        """End a stretch of the series here; what it has counted is the tally's."""
        self.memory.recording.observed(self._deciding_s)
        self._deciding_s = 0.0
        rows = self.tally.rows()
        self.memory.note(self.position, rows, self.verdict, wall, event=event)

    def tally_json(self) -> dict[str, Any] | None:
        """What the store keeps beside the position."""
        return self.judge.to_json() if self.running else None

    def due(self, wall: float) -> tuple[Check, ...]:
        """The checks of which the outside is to be asked now."""
        return self.judge.due(self.position, wall)


def _place(position: Position) -> str:
    """The step that a position is in; while it waits for hooks before one it is in none yet."""
    waits = position.asking.rpartition("/")[2] not in ("", "gate")
    return f"before {position.step}" if waits else f"{position.step}"
