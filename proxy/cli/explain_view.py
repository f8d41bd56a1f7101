"""An explanation for people: sentences first, then what happened when, then the evidence over time. Pure: API values in, rich out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.analysis.statistics import power_of_ten
from proxy.cli.status_view import figure, when

ROWS_MAX: Final = 24
"""Stretches of the table; more are drawn together, for a person reads a screen."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_STYLES: Final = {"rolled_back": "red", "rolling_back": "red", "promoted": "green", "promoting": "green", "paused": "yellow"}


def explanation(told: Mapping[str, Any]) -> RenderableType:
    """What ``rollout explain`` shows."""
    outcome = str(told.get("outcome", "?"))
    title = Text.assemble(
        (f"{told.get('service')}", "bold"),
        f"  rollout {told.get('rollout')}  {told.get('from')} -> {told.get('to') or '-'}  ",
        (outcome.replace("_", " "), _STYLES.get(outcome, "cyan")),
    )
    parts: list[RenderableType] = [title, Text()]
    parts += [Text(f"  {sentence}") for sentence in told.get("summary", ())]
    parts += [Text(), Text("What happened", style="bold"), story(told.get("story", ()), int(told.get("revision", 0)))]
    series = told.get("series") or {}
    if points := series.get("points"):
        parts += [Text(), Text("The evidence over time", style="bold"), *sparklines(points, told.get("guard") or {}), table(points)]
    return Group(*parts)


def compared(told: Mapping[str, Any], other: str, replayed: Mapping[str, Any]) -> RenderableType:
    """What ``rollout explain --with`` shows: the recorded end, the other plan's, its decisions, and what cannot be known."""
    end, steps = str(replayed.get("end", "?")), replayed.get("decisions") or ()
    took = after(None if told.get("ended_at") is None else told["ended_at"] - told["started_at"])
    lines: list[RenderableType] = [
        Text.assemble(
            (f"{told.get('service')}", "bold"), f"  rollout {told.get('rollout')}  {told.get('from')} -> {told.get('to') or '-'}"
        ),
        Text.assemble("  recorded:  ", _ended(str(told.get("outcome", "?"))), f"  {took}"),
        Text.assemble(f"  with {other}:  ", _ended(end), f"  {after(replayed.get('after_s'))}: {replayed.get('reason')}"),
        Text(),
    ]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("after", "what", "weight"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("why")
    for each in steps:
        grid.add_row(after(each["after_s"]), _ended(each["kind"]), f"{each['weight_bp'] / 100:g} %", each["reason"])
    lines.append(grid)
    if caveats := replayed.get("caveats"):
        lines += [Text(), Text("What a replay cannot know", style="bold"), *(Text(f"  - {said}") for said in caveats)]
    return Group(*lines)


def _ended(kind: str) -> Text:
    return Text(kind.replace("_", " "), style=_STYLES.get(kind, "cyan"))


def story(lines: Sequence[Mapping[str, Any]], asked: int) -> Table:
    """What happened, when, at which weight, by whom; the revision that was asked for is marked."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("rev", justify="right", no_wrap=True)
    for name in ("when", "after", "what", "weight", "by"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("why")
    for line in lines:
        number = int(line.get("revision", 0))
        grid.add_row(
            f"{'>' if number == asked else ''}{number}",
            when(line.get("at")),
            after(line.get("after_s")),
            Text(str(line.get("kind", "-")), style=_STYLES.get(str(line.get("kind")), "")),
            figure(line.get("weight"), "{:g} %"),
            str(line.get("by") or "-"),
            str(line.get("reason") or ""),
        )
    return grid


def sparklines(points: Sequence[Mapping[str, Any]], guard: Mapping[str, Any]) -> list[RenderableType]:
    """A line a kind of evidence: from 1 (nothing) to what the guard needs to act."""
    kinds: Mapping[str, Any] = guard.get("kinds") or {}
    names = sorted({kind for point in points for kind in point.get("evidence") or {}})
    lines: list[RenderableType] = []
    for kind in names:
        values = [float((point.get("evidence") or {}).get(kind, 0.0)) for point in points]
        needed = (kinds.get(kind) or {}).get("threshold") or max(values)
        last = power_of_ten(values[-1]) + (f" of {power_of_ten(needed)}" if needed > 0 else "")
        lines.append(Text.assemble(f"  {kind:<9} ", (sparkline(values, needed), "cyan"), f"  {last}"))
    return lines


def sparkline(values: Sequence[float], full: float) -> str:
    """A character a value (the greatest of its neighbours where there are too many): ``full`` and above is the highest bar."""
    wide = 60
    if len(values) > wide:
        values = [max(values[i * len(values) // wide : (i + 1) * len(values) // wide]) for i in range(wide)]
    top = len(_BARS) - 1
    return "".join(_BARS[min(top, max(0, math.floor(top * value / full)))] if full > 0 else _BARS[0] for value in values)


def table(points: Sequence[Mapping[str, Any]]) -> Table:
    """Stretches: both versions over the same time, and what was found."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    kinds = sorted({kind for point in points for kind in point.get("evidence") or {}})
    for name in ("until", "weight", "candidate", "failed", "p99 ms", "stable", "failed", "p99 ms", *kinds):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("")
    for row in condensed(points):
        candidate, stable = row["candidate"], row["stable"]
        grid.add_row(
            after(row.get("after_s")),
            figure(row.get("weight"), "{:g} %"),
            *(cell for side in (candidate, stable) for cell in _side(side)),
            *(_power((row.get("evidence") or {}).get(kind)) for kind in kinds),
            _found(row),
        )
    return grid


def _power(log: float | None) -> str:
    return "-" if log is None else power_of_ten(log)


def _side(side: Mapping[str, Any]) -> tuple[str, str, str]:
    return figure(side.get("requests"), "{:d}"), figure(side.get("failures"), "{:d}"), figure(side.get("p99_ms"), "{:.1f}")


def _found(row: Mapping[str, Any]) -> Text:
    failing = [f"{name}: {result}" for name, result in sorted((row.get("checks") or {}).items()) if result != "pass"]
    return Text(", ".join(filter(None, (str(row.get("event") or ""), *failing))), style=_STYLES.get(str(row.get("event")), ""))


def condensed(points: Sequence[Mapping[str, Any]], most: int = ROWS_MAX) -> list[dict[str, Any]]:
    """At most about so many rows: neighbours are drawn together, but never across a decision. Of two p99 the higher is shown."""
    rows = [dict(point) for point in points]
    while len(rows) > most:
        fewer = _pairs(rows)
        if len(fewer) == len(rows):  # nothing but decisions
            break
        rows = fewer
    return rows


def _pairs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    waiting: dict[str, Any] | None = None
    for row in rows:
        if waiting is None:
            waiting = row
        elif waiting.get("event"):
            out.append(waiting)
            waiting = row
        else:
            out.append(_together(waiting, row))
            waiting = None
    return [*out, waiting] if waiting is not None else out


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    sides = {side: _sum(one[side], other[side]) for side in ("candidate", "stable")}
    return {**other, **sides}


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    p99 = [value for value in (one.get("p99_ms"), other.get("p99_ms")) if value is not None]
    return {
        "requests": one.get("requests", 0) + other.get("requests", 0),
        "failures": one.get("failures", 0) + other.get("failures", 0),
        "p99_ms": max(p99) if p99 else None,
    }


def after(seconds: Any) -> str:
    """Seconds since the rollout began, as a person says them."""
    if not isinstance(seconds, int | float):
        return "-"
    if seconds < 60:
        return f"+{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}h{minutes:02}m{rest:02}s" if hours else f"+{minutes}m{rest:02}s"
