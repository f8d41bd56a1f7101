"""A comparison as a table: pure."""

from __future__ import annotations

import io

from rich.console import Console

from proxy.cli.comparison_view import cells, render
from proxy.simulation.comparison import Outcome, Row
from proxy.simulation.report import Spread

CAUGHT = Outcome("headgate", 0.9, Spread(0.5, 0.45, 0.81, 2.0), Spread(4.0, 4, 1234, 2000), wrongly=0.005, held=0.0, why="")
INNOCENT = Outcome("argo", None, None, None, wrongly=1.0, held=0.25, why="an error")


def test_figures_are_told_where_there_are_any() -> None:
    assert ("0.45 s / 0.81 s", "10 %", "4 / 1,234", "0.5 %", "") == cells(CAUGHT)
    assert ("-", "-", "-", "100 %", "25 %") == cells(INNOCENT)


def test_an_incident_is_named_once_and_every_policy_has_a_line() -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(render({"service": "shop", "runs": 200, "seed": 1}, [Row("broken", "everything fails", (CAUGHT, INNOCENT))]))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()

    assert "shop: 200 rollouts of its plan for each figure (seed 1)" == lines[0]
    assert ["everything fails headgate 0.45 s / 0.81 s", "argo - - - 100 % 25 %"] == [
        " ".join(lines[3].split())[:41],
        " ".join(lines[4].split()),
    ]
