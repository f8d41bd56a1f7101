"""Why a rollout went as it did, told from its history, its series and its blast radius. Pure: JSON values out, and sentences.

The history has every decision with the figures it stood on; the series how they grew. Nothing is judged anew here, and what was not
kept is said to be missing, not made up. Knows no store and no terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from proxy.analysis.series import Point, Series
from proxy.analysis.statistics import power_of_ten
from proxy.analysis.stretches import Side
from proxy.control.memory import ENDS
from proxy.model.position import Revision
from proxy.model.rollout import RolloutPlan
from proxy.model.url import without_secrets
from proxy.rollout.words import duration, percent
from proxy.telemetry.histogram import quantile

_OUTCOMES: Final = {
    "promoted": "promoted",
    "rolled_back": "rolled back",
    "abandoned": "abandoned",
    "shadowed": "compared, and promoted nothing",
    "rolling_back": "being rolled back",
    "promoting": "being promoted",
    "switching": "being switched",
    "paused": "paused",
}
"""What came of a rollout, by the kind of its latest record."""

_GOING: Final = ("started", "step", "resumed", "gate", "asking", "frozen")
"""Kinds after which it is under way."""

_BEGINNINGS: Final = ("started", "switching")

_DECIDED: Final = ("rolling_back", "abandoned", "paused", "promoting", "switching")


def rollout_of(revision: Revision) -> int:
    """The rollout that a revision is about; 0: none."""
    return int(revision.figures.get("rollout") or revision.position.rollout)


def explain(asked: Revision, history: Sequence[Revision], series: Series | None, exposure: Mapping[str, Any] | None) -> dict[str, Any]:
    """Why the rollout that ``asked`` belongs to went as it did. ``history`` is the service's, in any order.

    ``exposure`` are the figures of the blast radius as counted to the last; without them those of the record that ended it are used.
    """
    number = rollout_of(asked)
    own = sorted((r for r in history if rollout_of(r) == number), key=lambda r: r.revision) or [asked]
    first, plan = own[0], _plan(own)
    began_s = next((r.at_s for r in own if r.kind in _BEGINNINGS), first.at_s)
    ended = next((r for r in own if r.kind in ENDS), None)
    latest = next((r.kind for r in reversed(own) if r.kind in _OUTCOMES or r.kind in _GOING), "")
    outcome = "nothing tried" if not number else latest if latest in _OUTCOMES else "under way"
    radius = (
        dict(exposure)
        if exposure is not None
        else dict(next((r.figures["blast_radius"] for r in own if "blast_radius" in r.figures), {}))
    )
    told: dict[str, Any] = {
        "service": asked.service,
        "revision": asked.revision,
        "rollout": number,
        "strategy": plan.strategy,
        "from": first.figures.get("from") or first.position.stable,
        "to": first.figures.get("to") or first.position.candidate or None,
        "by": first.by or "headgate",
        "outcome": outcome,
        "started_at": began_s,
        "ended_at": ended.at_s if ended else None,
        "complete": first.kind in _BEGINNINGS or not number,
        "decision": _line(asked, began_s),
        "story": [_line(revision, began_s) for revision in own],
        "guard": _guard(own),
        "checks": _last(own, "checks"),
        "blast_radius": radius or None,
        "times": _times(own, radius),
        "series": None if series is None else {"interval_s": series.interval_s, "points": [_point(p, began_s) for p in series.points]},
        "plan": without_secrets(msgspec.to_builtins(plan)),
        "recorded": None if series is None else msgspec.to_builtins(series, str_keys=True),
    }
    told["summary"] = _summary(told, own, plan) if number else [f"{asked.reason}; nothing was tried"]
    return told


# ---- figures --------------------------------------------------------------------------------------------------------------------


def _plan(own: Sequence[Revision]) -> RolloutPlan:
    """The plan it began with, which every position of it holds."""
    return own[0].position.plan


def _line(revision: Revision, began_s: float) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "at": revision.at_s,
        "after_s": revision.at_s - began_s,
        "kind": revision.kind,
        "by": revision.by or "headgate",
        "reason": revision.reason,
        "weight": revision.position.weight_bp / 100,
        "forced": revision.figures.get("forced"),
    }


def _last(own: Sequence[Revision], key: str) -> Any:
    """The latest record's figure of that name."""
    return next((r.figures[key] for r in reversed(own) if r.figures.get(key)), None)


def _guard(own: Sequence[Revision]) -> dict[str, Any] | None:
    """Evidence by kind, as the latest decision that stood on it had it."""
    figures = next((r.figures for r in reversed(own) if "log_evidence" in r.figures), None)
    if figures is None:
        return None
    kinds = figures.get("kinds") or {"failures": {key: figures.get(key) for key in ("log_evidence", "threshold", "ratio")}}
    counted = ("candidate_requests", "stable_requests", "candidate_failures", "stable_failures", "candidate_causes", "stable_causes")
    return {
        "log_evidence": figures["log_evidence"],
        "threshold": figures.get("threshold"),
        "kinds": kinds,
        **{key: figures.get(key) for key in counted},
    }


def _point(point: Point, began_s: float) -> dict[str, Any]:
    return {
        "at": point.at_s,
        "after_s": point.at_s - began_s,
        "phase": point.phase,
        "step": point.step,
        "weight": point.weight_bp / 100,
        "candidate": _side(point.stretch.candidate) | {"causes": _causes(point, "candidate")},
        "stable": _side(point.stretch.stable) | {"causes": _causes(point, "stable")},
        "shares": {str(share / 10_000): row for share, row in sorted(point.rows.items())},
        "evidence": point.evidence,
        "checks": point.checks,
        "event": point.event,
    }


def _side(side: Side) -> dict[str, Any]:
    p99 = quantile(side.latency, 0.99)
    return {
        "requests": side.requests,
        "failures": side.failures,
        "error_rate": side.failures / side.requests if side.requests else None,
        "p99_ms": None if p99 is None else round(1000 * p99, 3),
    }


def _causes(point: Point, side: str) -> dict[str, int]:
    causes: dict[str, int] = {}
    for row in point.rows.values():
        for cause, count in row.get(side, {}).items():
            causes[cause] = causes.get(cause, 0) + count
    return causes


def _times(own: Sequence[Revision], radius: Mapping[str, Any]) -> dict[str, Any]:
    """The moments that matter, Unix time, and the seconds between them; None where there was none."""
    decided = next((r for r in own if r.kind in ("rolling_back", "abandoned")), None)
    applied = next((r for r in own if r.kind == "rolled_back"), None)
    first = radius.get("first_error_s")
    return {
        "first_error_at": first,
        "decided_at": decided.at_s if decided else None,
        "applied_at": applied.at_s if applied else None,
        "last_request_at": radius.get("last_request_s"),
        "decided_s": max(0.0, decided.at_s - first) if decided and first is not None else None,
        "applied_s": applied.at_s - decided.at_s if applied and decided else None,
        "exposed_s": radius.get("exposed_s"),
    }


# ---- sentences ------------------------------------------------------------------------------------------------------------------


def _summary(told: Mapping[str, Any], own: Sequence[Revision], plan: RolloutPlan) -> list[str]:
    said = [_tried(told, own, plan), _came_to(told, own, plan)]
    said += _evidence(told["guard"]) + _failing(told["checks"])
    if told["blast_radius"]:
        said += radius_in_words(told["blast_radius"], str(told["to"]))
    said += _when(told["times"])
    if not told["complete"]:
        said.append("The history no longer has how it began: older revisions have been dropped.")
    if told["series"] is None:
        said.append("Nothing is kept of how the figures grew.")
    return said


def _tried(told: Mapping[str, Any], own: Sequence[Revision], plan: RolloutPlan) -> str:
    steps = f" in {len(plan.steps)} step{'s' if len(plan.steps) != 1 else ''}" if plan.steps else ""
    return f"{told['to']} was tried in place of {told['from']} ({plan.strategy}{steps}), by {told['by']}: {own[0].reason}."


def _came_to(told: Mapping[str, Any], own: Sequence[Revision], plan: RolloutPlan) -> str:
    outcome = told["outcome"]
    if outcome not in _OUTCOMES:
        return f"It is under way, at {percent(own[-1].position.weight_bp)}."
    decision = next((r for r in reversed(own) if r.kind in _DECIDED), own[-1])
    before_bp = int(decision.figures.get("weight_bp_before", decision.position.weight_bp))
    step = f"step {decision.position.step + 1} of {len(plan.steps)}, " if decision.position.step < len(plan.steps) else ""
    took = f" after {duration(decision.at_s - told['started_at'])}" if decision.at_s > told["started_at"] else ""
    by = f" by {decision.by}" if decision.by else ""
    return f"It was {_OUTCOMES[outcome]}{by}{took}, at {step}{percent(before_bp)}: {decision.reason}."


def _evidence(guard: Mapping[str, Any] | None) -> list[str]:
    if guard is None:
        return []
    said = []
    for kind, of in guard["kinds"].items():
        if of.get("log_evidence") is None or of.get("threshold") is None:
            continue
        said.append(
            f"Evidence of {kind}: {power_of_ten(of['log_evidence'])}, and {power_of_ten(of['threshold'])} was needed "
            f"that it is more than {of.get('ratio') or 1:g} times stable's."
        )
    requests, failures = guard["candidate_requests"], guard["candidate_failures"]
    if requests is not None and failures is not None:
        said.append(
            f"It failed {_share(failures, requests)}, stable {_share(guard['stable_failures'], guard['stable_requests'])} "
            "of the requests that the split drew for it."
        )
    return said


def _share(failures: int, requests: int) -> str:
    return f"{failures} of {requests}" + (f" ({100 * failures / requests:.3g} %)" if requests else "")


def _failing(checks: Sequence[Mapping[str, Any]] | None) -> list[str]:
    return [
        f"Check {check['name']}{' (dry run)' if check.get('dry_run') else ''}: {check['result']}: {check.get('reason', '')}."
        for check in checks or ()
        if check.get("result") != "pass"
    ]


def radius_in_words(radius: Mapping[str, Any], candidate: str) -> list[str]:
    """Whom the candidate reached."""
    users, hurt = radius.get("users"), radius.get("users_with_errors")
    unknown = "; of how many users is not known, for the service is not sticky"
    whom = unknown if users is None else f" of {_users(users, radius['users_at_least'])}"
    said = [f"{candidate} answered {_times_word(radius['requests'], 'request')}{whom}."]
    if radius["errors"]:
        saved = radius["saved_by_fallback"]
        line = f"It failed {_times_word(radius['errors'], 'request')}"
        line += f", of which stable answered {saved} in its place" if saved else ""
        line += f"; {_users(hurt, radius['users_with_errors_at_least'])} saw an error" if hurt is not None else ""
        said.append(f"{line}.")
    if radius.get("incomplete"):
        said.append("headgate was killed in between: what happened until its next start, and some seconds before, is not counted.")
    if radius.get("requests_without_user"):
        said.append(f"{_times_word(radius['requests_without_user'], 'request')} did not say whose they were.")
    return said


def _users(count: int, at_least: bool) -> str:
    return f"{'at least ' if at_least else ''}{_times_word(count, 'user')}"


def _times_word(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _when(times: Mapping[str, Any]) -> list[str]:
    if times["first_error_at"] is None or times["decided_s"] is None:
        return []
    said = f"From the first bad answer to the decision it took {times['decided_s']:.2f} s"
    if times["applied_s"] is not None:
        said += f", to every worker another {times['applied_s']:.2f} s"
    if times["exposed_s"] is not None:
        said += f"; the last request that it was given began {times['exposed_s']:.2f} s after that answer"
    return [f"{said}."]
