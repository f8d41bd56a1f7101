"""One service as the loop holds it: its position, the counts its judge stands on, and when it was last looked at.

``Standing`` is edited by the loop only. ``Move`` is a step that was decided and is not yet in effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.guard import Tally, judge
from proxy.control.memory import Memory
from proxy.model.position import RESTING, Phase, Position, Record, Verdict
from proxy.rollout.events import Ask, Effect, Event, Measured, Publish
from proxy.rollout.machine import step
from proxy.telemetry.snapshot import CellDelta


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
        self.tally = Tally.of(position)
        if tally is not None and tally.get("rollout") == position.rollout:
            self.tally = Tally.from_json(tally)
        self.counted = self.tally.candidate_requests
        self.measured_at = now
        self.kept_at = now
        self.verdict: Verdict | None = None
        self.pending = False

    @property
    def running(self) -> bool:
        """Whether something is being tried, or being ended."""
        return self.position.phase not in RESTING

    def count(self, cell: CellDelta, at_s: float) -> bool:
        """Add a worker's difference; False when it is not of this rollout."""
        self.memory.count(cell, self.position, at_s)
        if not self.running or cell.rollout != self.position.rollout:
            return False
        self.tally.add(cell, stable=self.position.stable, candidate=self.position.candidate, at_s=at_s)
        return True

    def measure(self, now: float, wall: float) -> Move:
        """Judge what has been counted and let the machine step. A silence longer than the bound was not observed, so is no time."""
        self.verdict = judge(self.position.plan.guard, self.tally)
        requests = self.tally.candidate_requests
        dt_s = min(now - self.measured_at, limits.OBSERVED_GAP_S_MAX)
        event = Measured(dt_s=dt_s, candidate_requests=requests - self.counted, verdict=self.verdict)
        move = self.stepped(event, wall)
        if not move.decides:  # else only when it is durable: a decision that could not be kept is made again
            self.memory.recording.observed(dt_s)
            self.measured_at, self.counted = now, requests
            self.position = move.position
        return move

    def stepped(self, event: Event, wall: float) -> Move:
        """What the machine makes of an event. Raises ``IllegalTransition``."""
        move = Move.made(*step(self.position, event, wall))
        return replace(move, records=self.memory.annotated(move.records))

    def take(self, move: Move, now: float) -> None:
        """The move is in the store: stand there."""
        if move.position.rollout != self.position.rollout:
            self.tally = Tally.of(move.position)
            self.verdict = None
        self.position = move.position
        self.counted = self.tally.candidate_requests
        self.measured_at = self.kept_at = now
        # A step to or from everything may leave the weights as they are; workers serve it already, and that too is acknowledged.
        self.pending = self.pending or move.publish or move.position.phase in (Phase.PROMOTING, Phase.ROLLING_BACK)

    def remember(self, wall: float, *, event: str = "") -> None:
        """End a stretch of the series here; what it has counted is the tally's."""
        rows = {int(share): row for share, row in self.tally.to_json()["rows"].items()}
        self.memory.note(self.position, rows, self.verdict, wall, event=event)

    def tally_json(self) -> dict[str, Any] | None:
        """What the store keeps beside the position."""
        return self.tally.to_json() if self.running else None
