"""Status and history as tables for people. Pure: API values in, rich renderables out. A figure the API does not give is a dash."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from proxy import limits
from proxy.cli.output import counted
from proxy.cli.progress_view import decisions, plan_text, progress
from proxy.cli.radius_view import reached
from proxy.cli.watching import place

_PHASE_STYLES = {
    "stable": "green",
    "progressing": "cyan",
    "shadowing": "cyan",
    "promoting": "green",
    "paused": "yellow",
    "rolling_back": "red",
    "rolled_back": "red",
}


_PIPE_COLUMNS = 200  # wide enough that a line stays a line for grep


def console(width: int | None = None) -> Console:
    """Where people read. Names, reasons and what hooks have answered are text of others: no markup in them, and no emoji."""
    return Console(width=width, highlight=False, markup=False, emoji=False)


def show(what: RenderableType) -> None:
    """Print for people: as wide as the terminal, and unwrapped into a pipe."""
    console(None if sys.stdout.isatty() else _PIPE_COLUMNS).print(what, soft_wrap=False)


def services(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The services in an answer of ``/api/v1/status`` or of one service."""
    if "service" in body:
        return [body]
    found = body.get("services", [])
    return list(found.values()) if isinstance(found, Mapping) else list(found)


def render(body: Mapping[str, Any]) -> RenderableType:
    """Everything ``status`` shows."""
    parts: list[RenderableType] = [_proxy(body)] if "service" not in body else []
    views = services(body)
    parts += [_service(view) for view in views]
    if not views:
        parts.append(Text("no services"))
    return Group(*parts)


def _proxy(body: Mapping[str, Any]) -> Text:
    """The proxy itself, in a line: whatever the API says of it that is one value."""
    said = [f"headgate {body.get('version', '')}".strip()]
    if "ready" in body:
        said.append("ready" if body["ready"] else "not ready")
    workers = body.get("workers")
    if isinstance(workers, Sequence) and not isinstance(workers, str):
        said.append(counted(len(workers), "worker"))
    elif isinstance(workers, int):
        said.append(counted(workers, "worker"))
    if body.get("generation") is not None:
        said.append(f"generation {body['generation']}")
    if body.get("digest"):
        said.append(f"digest {str(body['digest'])[:12]}")
    return Text(" · ".join(said), style="dim")


def watched(views: Sequence[Mapping[str, Any]], latest: Mapping[str, Sequence[Mapping[str, Any]]]) -> RenderableType:
    """What a watch shows: each service, with its latest decisions by name."""
    parts: list[RenderableType] = []
    for view in views:
        parts += [_service(view), *decisions(latest.get(str(view.get("service")), ()), limits.WATCH_DECISIONS)]
    return Group(*parts)


def _service(view: Mapping[str, Any]) -> Group:
    phase = str(view.get("phase", "?"))
    title = Text.assemble((str(view.get("service", "?")), "bold"), "  ", (phase, _PHASE_STYLES.get(phase, "")))
    candidate = view.get("candidate")
    if candidate:
        title.append(f"  {view.get('stable')} -> {candidate}")
        if at := place(view):
            title.append(f", {at}")
    parts: list[RenderableType] = [title]
    if view.get("plan"):
        parts.append(Text(plan_text(view), style="dim"))
    parts += [_versions(view), *progress(view)]
    if view.get("waiting_for"):
        parts.append(Text(f"waits for: {view['waiting_for']}"))
    if met := reached(view):
        parts.append(Text(f"reached: {met}"))
    verdict = view.get("last_verdict")
    if isinstance(verdict, Mapping) and verdict.get("reason"):
        parts.append(Text(f"last verdict: {verdict.get('finding', '')}: {verdict['reason']}", style="dim"))
    return Group(*parts)


def _versions(view: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))  # 80 columns wide as a rule
    table.add_column("version")
    for name in ("wanted", "measured", "req/s", "errors", "p50 ms", "p99 ms", "in flight"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    weights: Mapping[str, float] = view.get("weights") or {}
    observed: Mapping[str, Mapping[str, Any]] = view.get("observed") or {}
    for version in {**weights, **observed}:
        seen = observed.get(version, {})
        role = "stable" if version == view.get("stable") else "candidate" if version == view.get("candidate") else ""
        table.add_row(
            version,
            figure(weights.get(version), "{:.6g} %"),
            figure(seen.get("share"), "{:.1f} %"),
            figure(seen.get("rps"), "{:.1f}"),
            figure(None if seen.get("error_rate") is None else 100 * float(seen["error_rate"]), "{:.2f} %"),
            figure(seen.get("p50_ms"), "{:.1f}"),
            figure(seen.get("p99_ms"), "{:.1f}"),
            figure(seen.get("in_flight"), "{:d}"),
            role,
        )
    return table


def figure(value: Any, form: str) -> str:
    """A number in its form, or a dash: no data is not zero."""
    return "-" if value is None else form.format(value)


def revisions(body: Any) -> list[Mapping[str, Any]]:
    """The entries of a history answer, newest first."""
    found = body.get("revisions", []) if isinstance(body, Mapping) else body
    return sorted(found, key=lambda entry: -int(entry.get("revision", 0)))


def history_list(body: Any) -> RenderableType:
    """What ``rollout history`` shows: two lines a decision, for reasons are sentences."""
    lines: list[RenderableType] = []
    for entry in revisions(body):
        stable, candidate = entry.get("stable") or "-", entry.get("candidate")
        moved = f"{stable} -> {candidate}" if candidate else stable
        head = Text.assemble(
            f"{entry.get('revision', '-'):>4}  {when(entry.get('at'))}  ", (f"{entry.get('kind', '-')}", "bold"), f"  {moved}"
        )
        head.append(f"  by {entry.get('by') or '-'}")
        lines += [head, Padding(Text(str(entry.get("reason") or "")), (0, 0, 0, 6))]
    return Group(*lines) if lines else Text("no history")


def when(at: Any) -> str:
    """Unix seconds as UTC, to the millisecond; a text stays what it is."""
    if isinstance(at, (int, float)):
        return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + "Z"
    return str(at or "-")
