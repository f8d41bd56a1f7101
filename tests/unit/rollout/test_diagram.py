from __future__ import annotations

from pathlib import Path

from proxy.model.position import Phase
from proxy.rollout.diagram import mermaid
from proxy.rollout.machine import possible

MANUAL = Path(__file__).parents[3] / "docs" / "rollouts-machine.md"


def test_the_manual_shows_exactly_the_table() -> None:
    assert mermaid() == MANUAL.read_text().split("```mermaid\n")[1].split("```")[0]


def test_an_arrow_names_every_event_that_may_lead_along_it() -> None:
    assert "    rolled_back --> progressing: target_set, start, undo, retry" in mermaid().splitlines()


def test_the_guide_says_of_every_phase_what_an_operator_can_say_in_it() -> None:
    table = (MANUAL.parent / "rollouts.md").read_text().split("## What each phase allows")[1]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]

    assert {phase.value: possible(phase) for phase in Phase} == {row[0].strip("|` "): row[2].split(", ") for row in rows}


def test_the_diagram_begins_at_stable() -> None:
    assert ["stateDiagram-v2", "    [*] --> stable"] == mermaid().splitlines()[:2]
