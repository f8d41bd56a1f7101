"""How far a rollout has got, for people: bars of its step and of evidence, checks, decisions. Pure; values in, rich out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from proxy.analysis.statistics import power_of_ten

_BAR_COLUMNS: Final = 28
_KINDS: Final = {"failures": ("failure", "failures"), "slow": ("slow answer", "slow answers")}
_RESULTS: Final = {"pass": "green", "fail": "bold red", "no_data": "yellow", "error": "yellow"}


def progress(view: Mapping[str, Any]) -> list[RenderableType]:
    """Of a service whose rollout is under way; nothing of one at rest."""
    if view.get("step") is None:
        return []
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(width=_BAR_COLUMNS)
    table.add_column()
    for title, bar, words in (*_step(view), *_evidence(view)):
        table.add_row(title, bar, words)
    shown: list[RenderableType] = [table] if table.row_count else []
    return [*shown, *_checks(view)]


def plan_text(view: Mapping[str, Any]) -> str:
    """The plan in a few words, its present step in brackets: ``copies 20 % · [5 %] · gate · 50 %``."""
    plan = view.get("plan") or {}
    steps = [_step_text(step) for step in plan.get("steps", ())]
    at = view.get("step")
    said = " · ".join(f"[{text}]" if index == at else text for index, text in enumerate(steps))
    strategy = str(plan.get("strategy") or "")
    return f"{strategy}: {said}" if said else strategy


def _step_text(step: Mapping[str, Any]) -> str:
    kind = step.get("type")
    if kind == "gate":
        return "gate" if step.get("gate") == "manual" else "remote gate"
    return f"copies {step['percent_bp'] / 100:g} %" if kind == "shadow" else f"{step['weight_bp'] / 100:g} %"


Row = tuple[str, RenderableType, Text | str]


def _step(view: Mapping[str, Any]) -> Iterator[Row]:
    """What the present step asks for, and how much of it there is."""
    if (view.get("plan") or {}).get("strategy") == "rolling" and view.get("steps"):
        yield "endpoints", _bar(view["step"], view["steps"]), str(view.get("where") or f"{view['step']} of {view['steps']}")
        return
    steps, at = (view.get("plan") or {}).get("steps", ()), view["step"]
    if at >= len(steps) or view.get("phase") not in ("progressing", "shadowing", "paused"):
        return
    step = steps[at]
    if lasts := step.get("for_s"):
        yield "time", _bar(view["step_elapsed_s"], lasts), f"{_duration(view['step_elapsed_s'])} of {_duration(lasts)}"
    if wanted := step.get("min_requests"):
        what = "copies" if step.get("type") == "shadow" else "requests"
        yield what, _bar(view["step_requests"], wanted), f"{view['step_requests']} of {wanted}"


def _evidence(view: Mapping[str, Any]) -> Iterator[Row]:
    """Each kind of event against the threshold at which it acts alone."""
    figures = (view.get("last_verdict") or {}).get("figures") or {}
    for kind, told in (figures.get("kinds") or {}).items():
        singular, plural = _KINDS.get(kind, (kind, kind))
        log, threshold = float(told["log_evidence"]), float(told["threshold"])
        counted = f"{told['candidate']} {singular if told['candidate'] == 1 else plural}, stable {told['stable']}"
        words = Text(f"evidence {power_of_ten(log)} of {power_of_ten(threshold)}; {counted}")
        if told.get("note"):
            words.append(f" ({told['note']})", style="dim")
        yield plural, _bar(max(0.0, log), threshold, danger=True), words
    for budget, count, unit in (("max_errors", "errors", "errors"), ("max_users_with_errors", "users_with_errors", "users")):
        if most := figures.get(budget):
            yield unit, _bar(figures[count], most, danger=True), f"{figures[count]} of {most} allowed"


def _bar(done: float, whole: float, *, danger: bool = False) -> ProgressBar:
    part = min(max(done, 0.0), whole) / whole if whole > 0 else 1.0
    style = ("red" if part >= 0.66 else "yellow" if part >= 0.33 else "green") if danger else "cyan"
    return ProgressBar(total=1.0, completed=part, width=_BAR_COLUMNS, complete_style=style, finished_style="red" if danger else "green")


def _checks(view: Mapping[str, Any]) -> list[RenderableType]:
    """A line a check: what it said last, how often it failed, and its latest results, oldest first."""
    checks: Sequence[Mapping[str, Any]] = view.get("checks") or ()
    table = Table.grid(padding=(0, 2, 0, 0))
    for check in checks:
        result = str(check.get("result") or "no result")
        marks = Text()
        for past in (check.get("results") or ())[-_BAR_COLUMNS:]:
            marks.append("■", style=_RESULTS.get(past, "dim"))
        said = str(check.get("reason") or "")
        if check.get("fails"):
            said += f" ({check['fails']} failed, {check.get('failure_limit')} allowed)"
        if check.get("dry_run"):
            said += " (dry run)"
        name = f"check {check.get('name', '?')}"
        table.add_row(name, Text(result.replace("_", " "), style=_RESULTS.get(result, "dim")), marks, said)
    return [table] if checks else []


def decisions(revisions: Sequence[Mapping[str, Any]], count: int) -> list[RenderableType]:
    """The latest decisions, newest first, a line each."""
    lines: list[RenderableType] = []
    for entry in revisions[:count]:
        at = datetime.fromtimestamp(float(entry.get("at") or 0), UTC).strftime("%H:%M:%SZ")
        kind = str(entry.get("kind", "?")).replace("_", " ")
        lines.append(Text(f"{at}  {kind}: {entry.get('reason', '')}", style="dim", no_wrap=True, overflow="ellipsis"))
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest} s"
