"""A comparison of policies as a table for people. Pure: rows in, rich renderables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.cli.simulation_view import seconds, share
from proxy.simulation.comparison import Outcome, Row

_READ = (
    "missed: promoted, or still going at the end, though it had to go; wrongly: a candidate as good as stable, rolled back in the same "
    "circumstances, or held: not promoted in twelve hours; hit: requests that the candidate failed (or answered late) meanwhile"
)


def render(given: Mapping[str, Any], rows: Sequence[Row]) -> RenderableType:
    """Everything ``simulate --compare`` shows. ``given`` are its options by name."""
    title = Text.assemble(
        (str(given["service"]), "bold"), f": {given['runs']:,} rollouts of its plan for each figure (seed {given['seed']})"
    )
    return Group(title, Text(), _table(rows), Text(), Text(_READ, style="dim"))


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("incident")
    table.add_column("rules", no_wrap=True)
    for column in ("rolled back after (median / p90)", "missed", "hit (median / p90)", "wrongly", "held"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        words = row.words
        for outcome in row.outcomes:
            table.add_row(words, outcome.policy, *cells(outcome), style="bold" if outcome.policy == "headgate" else "")
            words = ""
    return table


def cells(outcome: Outcome) -> tuple[str, str, str, str, str]:
    """One policy's figures: when, missed, hit, wrongly, held; ``-`` where there is none."""
    after, hit, caught = outcome.after_s, outcome.hit, outcome.rolled_back
    return (
        "-" if after is None else f"{seconds(after.median)} / {seconds(after.p90)}",
        "-" if caught is None else share(1 - caught),
        "-" if hit is None else f"{hit.median:,.0f} / {hit.p90:,.0f}",
        share(outcome.wrongly),
        share(outcome.held) if outcome.held else "",
    )
