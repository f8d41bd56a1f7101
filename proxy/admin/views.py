"""What the API shows, as plain JSON values made from the control loop's state. Pure reading; decides and changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from proxy import __version__
from proxy.control.loop import Control
from proxy.control.publisher import weights_of
from proxy.control.standing import Standing
from proxy.control.windows import Recent
from proxy.model.position import RESTING, Phase, Revision
from proxy.model.service import Service
from proxy.model.url import without_secrets
from proxy.rollout.machine import waiting_for
from proxy.rollout.moves import where
from proxy.rollout.strategies import strategy_of


def status(control: Control) -> dict[str, Any]:
    """The proxy and all its services."""
    unready = control.unready()
    return {
        "version": __version__,
        "ready": not unready,
        "unready": unready,
        "draining": control.draining,
        "generation": control.generation,
        "digest": control.intent.digest,
        "workers": control.worker_states(),
        "worker_restarts": control.worker_restarts,
        "connections": control.totals.downstream_connections(),
        "reload": {
            "successful": control.reloading.successful,
            "succeeded_at": control.reloading.succeeded_at_s,
            "last": msgspec.to_builtins(control.reloading.last),
        },
        "services": [service_view(control, service) for service in control.intent.services],
        "events": [msgspec.to_builtins(event) for event in control.events.since()[-50:]],
    }


def weights(service: Service, standing: Standing | None) -> dict[str, float]:
    """Wanted shares by version, in percent; every version is there."""
    relative = weights_of(standing.position) if standing is not None else dict(service.traffic)
    total = sum(relative.values())
    return {version.name: 100 * relative.get(version.name, 0.0) / total for version in service.versions}


def service_view(control: Control, service: Service) -> dict[str, Any]:
    """One service. ``step`` counts from 0. ``requests`` and ``errors`` are since the start; rates and quantiles of the last 10 s."""
    standing = control.standings.get(service.name)
    now = control.clock.now()
    recent = {v.name: control.windows.recent((service.name, v.name), now) for v in service.versions}
    view: dict[str, Any] = {
        "service": service.name,
        "stable": "",
        "candidate": None,
        "phase": Phase.STABLE.value,
        "step": None,
        "steps": None,
        "plan": None,
        "where": "",
        "weights": weights(service, standing),
        "observed": _observed(control, service, recent),
        "generation": control.generation,
        "waiting_for": "",
        "last_verdict": None,
        "checks": [],
        "target": None,
        "last_switch": last.figures() if (last := control.switches.of(service.name).last) is not None else None,
    }
    return view if standing is None else view | _progress(control, standing, recent)


def _observed(control: Control, service: Service, recent: dict[str, Recent]) -> dict[str, dict[str, Any]]:
    seen = sum(r.requests for r in recent.values())
    observed: dict[str, dict[str, Any]] = {}
    for version in service.versions:
        key = (service.name, version.name)
        total, now = control.totals.cells[key], recent[version.name]
        observed[version.name] = {
            "requests": sum(total.requests.values()),
            "errors": sum(total.failures.values()),
            "error_rate": now.error_rate,
            "p50_ms": _ms(now.p50_s),
            "p99_ms": _ms(now.p99_s),
            "in_flight": control.totals.in_flight_of(key),
            "rps": round(now.rps, 3),
            "share": 100 * now.requests / seen if seen else None,
        }
    return observed


def _progress(control: Control, standing: Standing, recent: dict[str, Recent]) -> dict[str, Any]:
    position = standing.position
    running = position.phase not in RESTING
    now = recent.get(position.candidate)
    step, steps = strategy_of(position).progress(position)
    return {
        "stable": position.stable,
        "candidate": position.candidate or None,
        "phase": position.phase.value,
        "step": step if running else None,
        "steps": steps if running else None,
        "waiting_for": waiting_for(
            position,
            now.rps if now and now.requests else None,
            now=control.clock.wall(),
            verdict=standing.verdict,
            asked=control.outside.says(position),
        ),
        "plan": {"strategy": position.plan.strategy, "steps": _shown(position.plan.steps)} if running else None,
        "where": where(position) if running and position.phase is not Phase.ROLLING_BACK else "",
        "last_verdict": msgspec.to_builtins(standing.verdict),
        "checks": _checks(standing) if running else [],
        "target": position.target,
        "rollout": position.rollout,
        "reason": position.reason,
        "since": position.since_s,
        "elapsed_s": position.elapsed_s,
        "step_elapsed_s": position.step_elapsed_s,
        "step_requests": position.step_requests,
        "blast_radius": standing.memory.exposure.figures() if standing.memory.rollout else None,
    }


def _checks(standing: Standing) -> list[dict[str, Any]]:
    """Every check of the rollout as the verdict has it, and its latest results in a word each, oldest first."""
    told = standing.verdict.figures["checks"] if standing.verdict is not None else []
    return [{**check, "results": [r.result for r in standing.judge.checks.history(check["name"])]} for check in told]


def revision_line(revision: Revision) -> dict[str, Any]:
    """An entry of a history list. ``stable`` and ``candidate`` are those of the rollout it is about."""
    return {
        "revision": revision.revision,
        "at": revision.at_s,
        "kind": revision.kind,
        "stable": revision.figures.get("from", revision.position.stable),
        "candidate": revision.figures.get("to") or revision.position.candidate or None,
        "phase": revision.position.phase.value,
        "weight": revision.position.weight_bp / 100,
        "by": revision.by or "headgate",
        "reason": revision.reason,
    }


def revision_view(service: str, revision: Revision) -> dict[str, Any]:
    """A whole entry, with every figure the decision stood on and where the service stood after it."""
    return {
        "service": service,
        **revision_line(revision),
        "figures": revision.figures,
        "position": _shown(revision.position),
    }


def _shown(noun: Any) -> Any:
    """A position, or steps of a plan, as plain values; URLs without what may be secret in them."""
    return without_secrets(msgspec.to_builtins(noun))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
