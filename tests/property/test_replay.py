"""A rollout's recording, replayed with its own plan, decides what was decided, when it was decided."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.analysis.series import Series
from proxy.model.position import RESTING
from proxy.model.rollout import Guard, RolloutPlan, WeightStep
from proxy.simulation.replay import replay
from tests.kit.control_bench import bench, intent, service

SECONDS_MAX = 60


async def recorded(plan: RolloutPlan, seconds: list[tuple[int, int, int]]) -> dict[str, Any]:
    """A rollout on the bench, a report a second of (good, bad of the candidate, bad of stable); its explanation."""
    async with bench(intent(service(rollout=plan))) as b:
        await b.control.command("shop", "start", by="local", to="v2")
        for second in range(SECONDS_MAX):
            if b.position().phase in RESTING:
                break
            good, bad, stable_bad = seconds[second % len(seconds)]
            await b.after(1, b.cell("v2", ok=good, bad=bad), b.cell("v1", ok=9 * good, bad=stable_bad))
        newest = b.store.history("shop", 1)[0].revision
        return await b.control.recall.explanation("shop", newest)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.tuples(st.sampled_from([500, 1000, 5000]), st.integers(1, 12), st.sampled_from([0, 30])), min_size=1, max_size=4),
    st.sampled_from([0.05, 0.001]),
)
def test_its_own_plan_decides_the_same_in_the_same_moments(
    seconds: list[tuple[int, int, int]], steps: list[tuple[int, int, int]], alpha: float
) -> None:
    plan = RolloutPlan(
        steps=tuple(WeightStep(weight_bp, float(for_s), least) for weight_bp, for_s, least in steps),
        guard=Guard(alpha=alpha, slow_over_s=None),
    )
    told = asyncio.run(recorded(plan, seconds))
    series = msgspec.convert(told["recorded"], Series, str_keys=True)
    played = replay(series, plan, plan, told["started_at"], versions=("v1", "v2"))
    live = [(line["kind"], line["after_s"]) for line in told["story"] if line["kind"] in ("step", "promoting", "rolling_back")]

    assert live == [(each.kind, each.after_s) for each in played.decisions if each.kind in ("step", "promoting", "rolling_back")]
    assert {"promoted": "promoted", "rolled_back": "rolled_back"}.get(told["outcome"], "running") == played.end
