"""What a strategy is: it says which step comes next, whether the present one is done, and what it waits for. Nothing else.

A new strategy is a file with these names and a line in ``strategies.STRATEGIES``; the machine asks none what it is called. Phases,
guard, deadline, hooks, freezes, commands, records and publishing are the machine's and the same for all.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from proxy.model.position import Phase, Position
from proxy.model.rollout import HookPoint
from proxy.rollout.events import Measured


class Stand(msgspec.Struct, frozen=True):
    """Where a rollout stands in a step: its number (from 0), the phase it is spent in, and the candidate's weight in basis points.

    ``hooks`` are the hook points that are asked before it is taken. With ``asks`` it waits there for what its gate answers. In the
    phase ``stable`` it is the end of a rollout that promotes nothing.
    """

    step: int
    phase: Phase
    weight_bp: int
    hooks: tuple[HookPoint, ...] = ()
    asks: bool = False


class Strategy(Protocol):
    """The face of a strategy's module. All are pure."""

    IN_BATCHES: bool
    """Endpoints are replaced by it, a batch at a time (``batches``); it has no use for a plan's steps."""

    TOGETHER: bool
    """Its promotion gives everything to the candidate in one moment, in all workers."""

    def next_step(self, position: Position, step: int) -> Stand:
        """Where the rollout stands on entering step number ``step`` (from 0) from its position."""

    def observe(self, position: Position, event: Measured) -> Position:
        """The position with what this strategy alone counts: readiness of endpoints. Time and requests are counted already."""

    def is_done(self, position: Position) -> bool:
        """Whether the present step's own conditions are met; the machine has asked the guard already."""

    def done(self, position: Position) -> str:
        """What a step that is done has come to, for people."""

    def waiting_for(self, position: Position, candidate_rps: float | None) -> str:
        """What the present step still waits for, for people; empty when nothing is missing."""

    def progress(self, position: Position) -> tuple[int, int]:
        """How far the rollout is, and of how much: in steps, counted from 0, or in endpoints."""

    def looked_at(self, position: Position) -> tuple[str, ...]:
        """The versions by the health of whose endpoints it goes."""

    def where(self, position: Position) -> str:
        """The step the rollout stands at, in words; steps are numbered from 1 for people."""
