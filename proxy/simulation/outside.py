"""The world around a simulated rollout: what hooks, gates, sources of checks and endpoints answer. Pure; all of it goes well.

Only sources can be away for a while, because that is what happens to metric servers; what they would have told is within the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.analysis.checks import Observed
from proxy.model.rollout import Check, RolloutPlan
from proxy.rollout.events import Ask, EndpointLevel, Heard
from proxy.simulation.reported import CANDIDATE, STABLE
from proxy.simulation.traffic import Traffic


def heard(question: Ask) -> Heard:
    """The answer to what is asked: yes."""
    return Heard(key=question.key, ok=True, reason=f"{question.point}: taken for granted in a simulation")


def observed(checks: Iterable[Check], traffic: Traffic, now: float) -> list[Observed]:
    """What comes of asking for these outside checks."""
    down = traffic.sources_down_s
    if down is not None and down[0] <= now < down[1]:
        return [Observed(check.name, now, error="the source cannot be reached") for check in checks]
    return [Observed(check.name, now, value=_within(check)) for check in checks]


def _within(check: Check) -> float:
    bounds = [bound for bound in (check.max, check.min) if bound is not None]
    return bounds[0] if bounds else 1.0


def endpoints(plan: RolloutPlan, count: int) -> tuple[EndpointLevel, ...]:
    """The levels of so many endpoints of each version, always healthy and idle; only strategies that wait for them look at any."""
    if plan.strategy not in ("blue_green", "rolling"):
        return ()
    return tuple(
        EndpointLevel(version, f"{version}-{n}", healthy=True, in_flight=0) for version in (STABLE, CANDIDATE) for n in range(count)
    )


def assumptions(plan: RolloutPlan) -> Sequence[str]:
    """What of the plan is taken for granted, as sentences."""
    said = []
    if outside := [check.name for check in plan.checks if check.metric is None]:
        said.append(f"checks that ask the outside ({', '.join(outside)}) pass, but for --sources-down")
    if any(check.metric == "shadow_mismatch_rate" for check in plan.checks):
        said.append("every copy's answer is as stable's")
    if plan.hooks:
        said.append("every hook answers well, at once")
    if plan.freeze:
        said.append("no freeze window is met")
    if plan.strategy == "rolling":
        said.append("rolling: every instance is replaced, drained and healthy at once, at an address of its own")
    if plan.strategy == "blue_green":
        said.append("blue_green: its endpoints are healthy; nobody meets it before the switch, nor has it an equal after that")
    return said
