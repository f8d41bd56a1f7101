from __future__ import annotations

from typing import get_args, get_type_hints

from proxy.model.rollout import RolloutPlan
from proxy.rollout.strategies import STRATEGIES
from proxy.rollout.strategy import Strategy


def test_every_strategy_that_a_plan_may_name_exists() -> None:
    assert set(get_args(get_type_hints(RolloutPlan)["strategy"])) == set(STRATEGIES)


def test_every_strategy_answers_all_that_is_asked_of_one() -> None:
    asked = {name for name in vars(Strategy) if not name.startswith("_")}

    assert dict.fromkeys(STRATEGIES, asked) == {name: asked & set(dir(module)) for name, module in STRATEGIES.items()}
