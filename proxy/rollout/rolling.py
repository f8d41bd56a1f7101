"""Rolling: endpoints move from stable to the candidate a batch at a time. (Its parts are on their way; see ``next_step``.)"""

from __future__ import annotations

from proxy.model.position import WEIGHT_BP_MAX, Phase, Position
from proxy.model.rollout import RolloutPlan
from proxy.rollout.events import Measured
from proxy.rollout.strategy import Stand


def next_step(plan: RolloutPlan, step: int, weight_bp: int) -> Stand:
    """See ``strategy.Strategy``."""
    return Stand(step, Phase.PROMOTING, WEIGHT_BP_MAX, ("before_promotion",))


def observe(position: Position, event: Measured) -> Position:
    """See ``strategy.Strategy``."""
    return position


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``."""
    return False


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``."""
    return ""


def where(position: Position) -> str:
    """See ``strategy.Strategy``."""
    return "rolling"
