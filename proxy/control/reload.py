"""What a new configuration may not do to a running proxy, as functions of the two. Pure; publishing is the loop's business."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.control.schema_guard import conflicts
from proxy.model.intent import Intent, Listener
from proxy.model.position import RESTING, Position
from proxy.model.service import Service
from proxy.rollout.events import TargetSet
from proxy.rollout.machine import fingerprint
from proxy.rollout.words import duration


def refusals(positions: Mapping[str, Position], old: Intent, new: Intent, wall: float) -> list[str]:
    """Why ``new`` is not taken in the place of ``old`` while services stand at ``positions``. Empty when it is. ``wall``: Unix time."""
    return needs_restart(old, new) + strands(positions, new) + cools(positions, old, new, wall) + conflicts(positions, old, new)


def needs_restart(old: Intent, new: Intent) -> list[str]:
    """Keys whose change only a restart can apply: sockets and processes are made once. Empty when there are none."""
    return [
        f"{key}: changed, and takes effect only by a restart; restart headgate, or put {key} back as it was"
        for key, changed in (
            ("listeners", [_place(x) for x in old.listeners] != [_place(x) for x in new.listeners]),
            ("admin", old.admin != new.admin),
            ("workers", old.workers != new.workers),
            ("state.path", old.state_path != new.state_path),
        )
        if changed
    ]


def _place(listener: Listener) -> tuple[object, ...]:
    """What its sockets and the way of accepting depend on; certificates and limits are taken over."""
    return listener.name, listener.host, listener.port, listener.unix, listener.tls is None, listener.proxy_protocol


def strands(positions: Mapping[str, Position], new: Intent) -> list[str]:
    """What ``new`` would take away from under a rollout or a stable version. Empty when it is fine."""
    problems: list[str] = []
    for name, position in sorted(positions.items()):
        service = new.service(name)
        running = position.phase not in RESTING
        if service is None or not service.target:
            if running:
                what = "is gone" if service is None else "has a fixed traffic split"
                problems.append(
                    f"services.{name}: {what}, but its rollout to {position.candidate} is {position.phase}; "
                    f"end it first: headgate rollout abort {name} --reason TEXT"
                )
            continue
        if service.version(position.stable) is None:
            problems.append(
                f"services.{name}.versions.{position.stable}: removed, but it is stable and carries traffic; "
                "keep it until another version has been promoted"
            )
        if running and position.candidate and service.version(position.candidate) is None:
            problems.append(
                f"services.{name}.versions.{position.candidate}: removed, but it is the candidate of a running rollout; "
                f"end it first: headgate rollout abort {name} --reason TEXT"
            )
    return problems


def cools(positions: Mapping[str, Position], old: Intent, new: Intent, wall: float) -> list[str]:
    """Which versions ``new`` would drop that are kept warm after a blue-green switch. Empty when it is fine."""
    problems: list[str] = []
    for name, position in sorted(positions.items()):
        before, after, kept = old.service(name), new.service(name), position.previous
        if before is None or after is None or before.version(kept) is None or after.version(kept) is not None:
            continue
        left_s = position.promoted_s + position.plan.keep_old_s - wall
        if position.plan.strategy == "blue_green" and left_s > 0:
            problems.append(
                f"services.{name}.versions.{kept}: removed, but it is kept for an undo for {duration(left_s)} more (keep_old); "
                f"remove it then, or set services.{name}.rollout.keep_old to 0 for the next time"
            )
    return problems


def target_set(service: Service, by: str) -> TargetSet:
    """The event that says what the configuration wants of a service with a target."""
    version = service.version(service.target)
    assert version is not None, "a configuration names only versions it has"
    return TargetSet(
        target=service.target,
        fingerprint=fingerprint(version),
        plan=service.rollout,
        by=by,
        versions={v.name: fingerprint(v) for v in service.versions},
    )
