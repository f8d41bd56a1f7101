"""Every strategy, by the name a plan gives it."""

from __future__ import annotations

from typing import Final

from proxy.model.position import Position
from proxy.rollout import blue_green, canary, rolling, shadow
from proxy.rollout.strategy import Strategy

STRATEGIES: Final[dict[str, Strategy]] = {"canary": canary, "blue_green": blue_green, "rolling": rolling, "shadow": shadow}
"""The configuration lets no other through."""


def strategy_of(position: Position) -> Strategy:
    """The strategy that the rollout began with."""
    return STRATEGIES[position.plan.strategy]
