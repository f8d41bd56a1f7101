"""A simulation's report as tables for people. Pure: a report in, rich renderables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.simulation.report import Report, Series, Spread

_ENDS = {"promoted": "promoted", "rolled_back": "rolled back", "paused": "paused", "held": "still held", "shadowed": "shadowed"}


def render(given: Mapping[str, Any], report: Report, notes: Sequence[str], broken: Sequence[str]) -> RenderableType:
    """Everything ``simulate`` shows. ``given`` are its options by name, ``notes`` remarks, ``broken`` the bounds that did not hold."""
    parts: list[RenderableType] = [_title(given), Text(), _figures(given, report), Text(), Text(_false_alarms(given, report))]
    parts += [Text(f"{_ENDS[end]}, for example: {why}", style="dim") for end, why in report.candidate.why.items()]
    parts += [Text(f"note: {note}", style="yellow") for note in notes]
    parts += [Text(f"does not hold: {sentence}", style="red") for sentence in broken]
    return Group(*parts)


def _title(given: Mapping[str, Any]) -> Text:
    quiet = given["quiet_rps"]
    rate = f"{given['rps']:g} requests/s" if quiet is None else f"{quiet:g} to {given['rps']:g} requests/s over the day"
    people = f" of {given['users']:,} users" if given["users"] else ""
    onset = f" from {seconds(given['onset_s'])} on" if given["onset_s"] else ""
    errors = f"stable fails {share(given['stable_errors'])} of its requests, the candidate {share(given['candidate_errors'])}{onset}"
    rules = f" by the rules of {given['policy']}" if given["policy"] not in (None, "headgate") else ""
    latency = ""
    if given["candidate_latency"] is not None:
        latency = f"; answers take {seconds(given['stable_latency'])} on stable, {seconds(given['candidate_latency'])} on the candidate"
    return Text.assemble(
        (str(given["service"]), "bold"),
        f": {given['runs']:,} rollouts at {rate}{people}{rules}; {errors}{latency} (seed {given['seed']}, gates {given['gates']})",
    )


def _figures(given: Mapping[str, Any], report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    table.add_column("the candidate", justify="right", no_wrap=True)
    table.add_column("as good as stable", justify="right", no_wrap=True)
    both = (report.candidate, report.equal)
    for end, words in _ENDS.items():
        if end == "shadowed" and not any(series.ends[end] for series in both):
            continue
        table.add_row(words, *(share(series.ends[end]) for series in both))
    table.add_row("caught by guard or checks", *(share(series.caught) for series in both), style="bold")
    if report.candidate.alarms > report.candidate.caught:
        table.add_row("accused before the onset", share(report.candidate.alarms - report.candidate.caught), "-")
    table.add_row("onset to decision, median / p90", *(_times(series.decision_s) for series in both))
    table.add_row("start to promotion, median / p90", *(_times(series.promotion_s) for series in both))
    table.add_row("requests to it, median / p90", *(_counts(series.requests) for series in both))
    table.add_row("of them failed, median / p90", *(_counts(series.failures) for series in both))
    if given["users"]:
        table.add_row("users who met it, median / p90", *(_counts(series.users) for series in both))
        table.add_row("of them saw it fail, median / p90", *(_counts(series.users_hurt) for series in both))
    return table


def _false_alarms(given: Mapping[str, Any], report: Report) -> str:
    equal: Series = report.equal
    promised = "" if given["policy"] not in (None, "headgate") else f"; alpha promises {share(report.alpha)} at most"
    seen = f"false alarms: {round(equal.alarms * equal.runs)} of {equal.runs:,}"
    return f"{seen}, so {share(report.false_alarms_at_most)} at most (95 % sure){promised}"


def share(value: float) -> str:
    """0..1 as percent, three digits."""
    return f"{100 * value:.3g} %"


def seconds(value: float) -> str:
    """``0.45 s``, ``32 s``, ``15m0s``, ``2h0m0s``: two digits while they matter."""
    if value < 10:
        return f"{value:.2g} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60}m{rest}s"


def _times(spread: Spread | None) -> str:
    return "-" if spread is None else f"{seconds(spread.median)} / {seconds(spread.p90)}"


def _counts(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:,.0f} / {spread.p90:,.0f}"
