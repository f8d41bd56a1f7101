"""The comparison report of one service: what was compared, what differs, whose it is, and how the latencies stand. JSON values only.

Pure reading of ``Counts``; it changes nothing and can be made at any time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from proxy.shadow.compare import Rules
from proxy.shadow.counts import Counts, PathCount, RouteCount
from proxy.shadow.verdicts import Finding, Judged, PathVerdict, judge_all, mismatch_rate

CALM_MIN = 300
"""Pairs without a difference that are needed to say so: then less than 1 % of requests differ, at 95 % (the rule of three)."""

_ORDER: Final = {finding: place for place, finding in enumerate(Finding)}


class Word(StrEnum):
    """What the whole report says."""

    DIFFERENT = "different"
    SAME = "same"
    UNKNOWN = "cannot tell yet"


def report(counts: Counts, *, ignore: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> dict[str, Any]:
    """The report. Its ``word`` is ``different`` when any path is; ``same`` only after ``CALM_MIN`` pairs, never for lack of data."""
    judged = judge_all(counts, Rules(allow))
    word, reason = word_of(counts, judged)
    by_route: dict[str, list[Judged]] = {name: [] for name in counts.routes}
    for entry in judged:
        by_route[entry.route].append(entry)
    return {
        "service": counts.service,
        "version": counts.version,
        "noise_version": counts.noise or None,
        "since": counts.since_s,
        "word": word.value,
        "reason": reason,
        "compared": counts.compared,
        "differing": sum(route.differing for route in counts.routes.values()),
        "failed": counts.failed,
        "mismatch_rate": mismatch_rate(counts.compared, judged),
        "ignore": list(ignore),
        "allow": list(allow),
        "routes": [_route(route, by_route[name]) for name, route in sorted(counts.routes.items())],
    }


def word_of(counts: Counts, judged: list[Judged]) -> tuple[Word, str]:
    """What is said of all paths together, and why."""
    findings = [entry.verdict.finding for entry in judged]
    different = findings.count(Finding.DIFFERS)
    if different:
        return (
            Word.DIFFERENT,
            f"{different} path{'s' if different > 1 else ''} of the answers {'are' if different > 1 else 'is'} different",
        )
    if counts.compared < CALM_MIN:
        return Word.UNKNOWN, f"{counts.compared} of at least {CALM_MIN} pairs compared"
    unknown = findings.count(Finding.UNKNOWN)
    if unknown:
        return Word.UNKNOWN, f"{unknown} path{'s' if unknown > 1 else ''} differed too rarely to tell"
    return Word.SAME, f"no difference in {counts.compared} pairs: less than {300 / counts.compared:.2g} % of requests differ, at 95 %"


def _route(route: RouteCount, judged: list[Judged]) -> dict[str, Any]:
    ordered = sorted(judged, key=lambda entry: (_ORDER[entry.verdict.finding], -entry.counted.differing, entry.counted.path))
    return {
        "route": route.route,
        "compared": route.compared,
        "differing": route.differing,
        "failed": route.failed,
        "noise_compared": route.noise_compared,
        "latency_ratio": msgspec.to_builtins(route.latency.interval()),
        "paths": [_path(count, verdict) for _, count, verdict in ordered],
    }


def _path(count: PathCount, verdict: PathVerdict) -> dict[str, Any]:
    return {
        "path": count.path,
        "kind": count.kind,
        "finding": verdict.finding.value,
        "reason": verdict.reason,
        "differing": count.differing,
        "copy_only": count.copy_only,
        "noise_only": count.noise_only,
        "both": count.both,
        "unpaired": count.unpaired,
        "log_evidence": verdict.log_evidence,
        "threshold": verdict.threshold,
        "p": verdict.p,
        "samples": msgspec.to_builtins(count.samples),
    }
