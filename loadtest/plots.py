"""One picture of a run: a panel a scenario, a bar a contender, whiskers from the least to the greatest. Needs matplotlib."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.compare import Result
from loadtest.figures import compared
from loadtest.report import SUBJECT, Spread

ACROSS = 3  # panels in a row
PANEL_INCHES = (4.6, 2.6)
OURS, THEIRS, FLOOR = "#c2410c", "#64748b", "#cbd5e1"


def missing() -> str:
    """What is not there."""
    return "" if importlib.util.find_spec("matplotlib") else "matplotlib is not installed (`make bench` fetches it)"


def draw(results: Sequence[Result], path: Path) -> None:
    """Write an SVG without dates or random names, so that the same figures give the same file."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "headgate", "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 8})
    plt: Any = importlib.import_module("matplotlib.pyplot")
    down = -(-len(results) // ACROSS)
    size = (PANEL_INCHES[0] * ACROSS, PANEL_INCHES[1] * down)
    figure, axes = plt.subplots(down, ACROSS, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(results) :]:
        axis.set_axis_off()
    for axis, result in zip(axes.flat, results, strict=False):
        panel(axis, result)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def bars(result: Result) -> list[tuple[str, Spread, str]]:
    """Name, figure and colour, in the order of the table."""
    figure = compared(result.scenario.kind)
    return [(name, Spread.of([figure.of(turn) for turn in turns]), colour(name)) for name, turns in result.turns.items()]


def colour(name: str) -> str:
    """headgate stands out, floors step back."""
    if name.startswith(SUBJECT):
        return OURS
    return FLOOR if name.endswith("relay") else THEIRS


def panel(axis: Any, result: Result) -> None:
    """One scenario."""
    rows = bars(result)
    middles = [spread.middle for _, spread, _ in rows]
    whiskers = [[s.middle - s.least for _, s, _ in rows], [s.most - s.middle for _, s, _ in rows]]
    axis.barh(range(len(rows)), middles, xerr=whiskers, color=[tint for *_, tint in rows], error_kw={"linewidth": 0.8})
    decimals = compared(result.scenario.kind).decimals
    for at, (_, spread, _) in enumerate(rows):
        axis.text(spread.most, at, f" {spread.middle:.{decimals}f}", va="center", fontsize=6)
    axis.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axis.invert_yaxis()
    axis.set_title(f"{result.scenario.name}: {compared(result.scenario.kind).title}", loc="left")
    axis.margins(x=0.15)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
