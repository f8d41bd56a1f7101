from __future__ import annotations

from proxy.model.position import Phase
from proxy.model.rollout import RolloutPlan
from proxy.rollout.rolling import next_step


def test_past_its_last_batch_is_promotion() -> None:
    assert Phase.PROMOTING is next_step(RolloutPlan(strategy="rolling"), 1, 0).phase
