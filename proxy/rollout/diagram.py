"""The machine's table as a Mermaid state diagram, for the manual (docs/rollouts-machine.md)."""

from __future__ import annotations

from proxy.model.position import Phase
from proxy.rollout.events import EventKind
from proxy.rollout.machine import TABLE


def mermaid() -> str:
    """One arrow for each pair of phases, labelled with every event that may lead along it, in the table's order."""
    arrows: dict[tuple[Phase, Phase], list[EventKind]] = {}
    for (phase, kind), transition in TABLE.items():
        for to in transition.to:
            arrows.setdefault((phase, to), []).append(kind)
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.STABLE.value}"]
    for (phase, to), kinds in arrows.items():
        lines.append(f"    {phase.value} --> {to.value}: {', '.join(kind.value for kind in kinds)}")
    return "\n".join(lines) + "\n"
