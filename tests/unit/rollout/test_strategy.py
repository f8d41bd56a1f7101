from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from msgspec.structs import replace

from proxy.model.rollout import RolloutPlan
from proxy.rollout.strategies import STRATEGIES
from proxy.rollout.strategy import Strategy
from tests.unit.rollout.positions import RUNNING


def test_every_strategy_that_a_plan_may_name_exists() -> None:
    assert set(get_args(get_type_hints(RolloutPlan)["strategy"])) == set(STRATEGIES)


def test_every_strategy_answers_all_that_is_asked_of_one() -> None:
    asked = {name for name in (*vars(Strategy), *get_type_hints(Strategy)) if not name.startswith("_")}

    assert dict.fromkeys(STRATEGIES, asked) == {name: asked & set(dir(module)) for name, module in STRATEGIES.items()}


@pytest.mark.parametrize(
    ("strategy", "fields", "progress"),
    [
        ("canary", {"step": 2}, (2, 3)),
        ("shadow", {"step": 0}, (0, 3)),
        ("blue_green", {"step": 3}, (3, 4)),
        ("rolling", {"step": 7, "moved": 3, "endpoints": (5, 6)}, (3, 6)),
    ],
)
def test_progress_is_in_steps_or_in_endpoints(strategy: str, fields: dict[str, Any], progress: tuple[int, int]) -> None:
    assert progress == STRATEGIES[strategy].progress(replace(RUNNING, **fields))


@pytest.mark.parametrize(("strategy", "versions"), [("canary", ()), ("shadow", ()), ("blue_green", ("v2",)), ("rolling", ("v1", "v2"))])
def test_a_strategy_looks_at_the_endpoints_that_it_goes_by(strategy: str, versions: tuple[str, ...]) -> None:
    assert versions == STRATEGIES[strategy].looked_at(RUNNING)
