"""The comparison report of one service: what was compared, what differs, whose it is, and how the latencies stand. JSON values only.

Pure reading of ``Counts``; it changes nothing and can be made at any time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from proxy.shadow.compare import Rules
from proxy.shadow.counts import Counts, PathCount, RouteCount
from proxy.shadow.verdicts import Finding, PathVerdict, judge

CALM_MIN = 300
"""Pairs without a difference that are needed to say so: then less than 1 % of requests differ, at 95 % (the rule of three)."""


class Word(StrEnum):
    """What the whole report says."""

    DIFFERENT = "different"
    SAME = "same"
    UNKNOWN = "cannot tell yet"


def report(counts: Counts, *, ignore: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> dict[str, Any]:
    """The report. Its ``word`` is ``different`` when any path is; ``same`` only after ``CALM_MIN`` pairs, never for lack of data."""
    rules = Rules(allow)
    judged = {name: _judged(route, counts, rules) for name, route in counts.routes.items()}
    findings = [verdict.finding for paths in judged.values() for _, verdict in paths]
    word, reason = _word(counts, findings)
    return {
        "service": counts.service,
        "version": counts.version,
        "noise_version": counts.noise or None,
        "since": counts.since_s,
        "word": word.value,
        "reason": reason,
        "compared": counts.compared,
        "differing": sum(route.differing for route in counts.routes.values()),
        "failed": sum(route.failed for route in counts.routes.values()),
        "mismatch_rate": mismatch_rate(counts, allow),
        "ignore": list(ignore),
        "allow": list(allow),
        "routes": [_route(route, judged[name]) for name, route in sorted(counts.routes.items())],
    }


def mismatch_rate(counts: Counts, allow: tuple[str, ...] = ()) -> float | None:
    """The share of pairs that differ at the worst path that is neither noise nor allowed; None when nothing was compared.

    A path's share, not that of pairs which differ anywhere: pairs whose only difference is noise must not count, and which those are is
    known only later. It is a lower bound of the share of changed answers, and exact when one change is the cause.
    """
    if not counts.compared:
        return None
    rules = Rules(allow)
    worst = 0.0
    for route in counts.routes.values():
        for count, verdict in _judged(route, counts, rules):
            if verdict.finding in (Finding.DIFFERS, Finding.UNKNOWN):
                worst = max(worst, (count.copy_only + count.unpaired) / counts.compared)
    return worst


def _judged(route: RouteCount, counts: Counts, allow: Rules) -> list[tuple[PathCount, PathVerdict]]:
    paths, noise = counts.paths, bool(counts.noise)
    return [(count, judge(count, paths, noise=noise, allow=allow)) for count in route.paths.values()]


def _word(counts: Counts, findings: list[Finding]) -> tuple[Word, str]:
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


def _route(route: RouteCount, judged: list[tuple[PathCount, PathVerdict]]) -> dict[str, Any]:
    ordered = sorted(judged, key=lambda entry: (list(Finding).index(entry[1].finding), -entry[0].differing, entry[0].path))
    return {
        "route": route.route,
        "compared": route.compared,
        "differing": route.differing,
        "failed": route.failed,
        "noise_compared": route.noise_compared,
        "latency_ratio": msgspec.to_builtins(route.latency.interval()),
        "paths": [_path(count, verdict) for count, verdict in ordered],
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
