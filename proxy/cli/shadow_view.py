"""The comparison report as tables for people. Pure: an API value in, rich renderables out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.analysis.statistics import power_of_ten

_STYLES = {"differs": "red", "noise": "dim", "allowed": "dim", "cannot tell yet": "yellow", "different": "bold red", "same": "green"}


def render(body: Mapping[str, Any], *, samples: bool = False) -> RenderableType:
    """Everything ``shadow`` shows."""
    shadow, report = body.get("shadow"), body.get("report")
    parts: list[RenderableType] = [_title(body, shadow), *(_copies(version, c) for version, c in (body.get("copies") or {}).items())]
    if report is None:
        parts.append(Text("nothing is compared" if shadow is None or not shadow.get("compare") else "the comparer does not answer now"))
        return Group(*parts)
    word = str(report.get("word"))
    parts.append(Text.assemble((word, _STYLES.get(word, "yellow")), f": {report.get('reason')}"))
    for route in report.get("routes", []):
        parts += _route(route, samples)
    return Group(*parts)


def _title(body: Mapping[str, Any], shadow: Mapping[str, Any] | None) -> Text:
    title = Text.assemble((str(body.get("service")), "bold"))
    if shadow is None:
        return title.append("  no copies are sent")
    title.append(f"  {shadow['percent']:g} % of safe requests are copied to {shadow['version']}")
    return title.append(f", and to {shadow['noise']} as the noise leg") if shadow.get("noise") else title


def _copies(version: str, copies: Mapping[str, Any]) -> Text:
    results: Mapping[str, int] = copies.get("results") or {}
    dropped: Mapping[str, int] = copies.get("dropped") or {}
    said = [f"{count} {result}" for result, count in sorted(results.items())]
    said += [f"{count} dropped ({reason})" for reason, count in sorted(dropped.items())]
    if copies.get("in_flight"):
        said.append(f"{copies['in_flight']} in flight")
    return Text(f"copies to {version}: {copies.get('sampled', 0)} sampled: {', '.join(said) or 'none yet'}", style="dim")


def _route(route: Mapping[str, Any], samples: bool) -> list[RenderableType]:
    head = Text.assemble((str(route["route"]), "bold"), f"  {route['compared']} compared, {route['differing']} differ")
    if route["failed"]:
        head.append(f", {route['failed']} copies failed")
    if (ratio := route.get("latency_ratio")) is not None:
        head.append(f"; latency {ratio['median']:.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f})")
    parts: list[RenderableType] = [Text(""), head]
    if route["paths"]:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        table.add_column("path", overflow="fold")
        for name in ("kind", "finding"):
            table.add_column(name, no_wrap=True)
        for name in ("candidate", "noise", "both", "evidence"):
            table.add_column(name, justify="right", no_wrap=True)
        for path in route["paths"]:
            finding = str(path["finding"])
            table.add_row(
                path["path"],
                path["kind"],
                Text(finding, style=_STYLES.get(finding, "")),
                str(path["copy_only"] + path["unpaired"]),
                str(path["noise_only"]),
                str(path["both"]),
                _evidence(path),
            )
        parts.append(table)
        if samples:
            parts += [_samples(path) for path in route["paths"] if path["finding"] == "differs"]
    return parts


def _evidence(path: Mapping[str, Any]) -> str:
    """Powers of ten, as the guard's; a dash without a noise leg."""
    if path["log_evidence"] is None:
        return "-"
    return f"{power_of_ten(path['log_evidence'])} of {power_of_ten(path['threshold'])}"


def _samples(path: Mapping[str, Any]) -> Text:
    lines = [f"  {path['path']} ({path['kind']})"]
    lines += [f"    {s['method']} {s['target']}: {s['original'] or '-'} -> {s['copy'] or '-'}" for s in path["samples"]]
    return Text("\n".join(lines))
