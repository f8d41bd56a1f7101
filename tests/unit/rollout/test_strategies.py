from __future__ import annotations

from proxy.model.rollout import RolloutPlan
from proxy.rollout import shadow
from proxy.rollout.strategies import strategy_of
from tests.unit.rollout.positions import NEW, after, named


def test_a_rollout_goes_by_the_strategy_it_began_with() -> None:
    begun = after(NEW, named(plan=RolloutPlan(strategy="shadow", steps=())), named(plan=RolloutPlan()))

    assert shadow is strategy_of(begun)
