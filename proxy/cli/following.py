"""Staying with a rollout until it ends, so that a pipeline can stand on the exit code.

0: what was tried is stable (or a shadow rollout ran to its end); 1: it is not, or not in time. The proxy may restart meanwhile: the
rollout goes on where it was, and so does whoever follows it. Whoever stops following leaves the rollout running.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import click

from proxy import limits
from proxy.cli.client import AdminClient, Unreachable
from proxy.cli.output import remark
from proxy.cli.watching import Lines, Screen, history, looks, news, screen
from proxy.clock import Clock, SystemClock
from proxy.model.position import RESTING

_CLOCK: Final = SystemClock()


class Followed:
    """What has been seen of a rollout. ``target`` is what is tried (empty: whatever runs), ``number`` which rollout (0: not known)."""

    def __init__(self, target: str = "", number: int = 0) -> None:
        self.target = target
        self.number = number
        self.strategy = ""
        self.is_stable = False
        self.view: Mapping[str, Any] = {}

    @classmethod
    def already(cls, target: str) -> Followed:
        """Of a version that is stable: whatever was tried since and came to nothing is not what is asked about."""
        made = cls(target)
        made.is_stable = True
        return made

    def see(self, view: Mapping[str, Any]) -> str:
        """How it ended: promoted, rolled_back, abandoned, shadowed or unchanged (nothing ran); empty while it goes on."""
        self.view = view
        candidate, phase, number = str(view.get("candidate") or ""), str(view.get("phase")), int(view.get("rollout") or 0)
        if self.is_stable:
            return "promoted" if view.get("stable") == self.target else "abandoned"
        if self.number and number > self.number:
            return "abandoned"
        if phase not in RESTING:
            if self.target and candidate and candidate != self.target:
                return "abandoned"
            self.target, self.number = candidate or self.target, number or self.number
            self.strategy = str((view.get("plan") or {}).get("strategy") or self.strategy)
            return ""
        if phase == "rolled_back":
            return "rolled_back"
        if not self.target:
            return "unchanged"
        if view.get("stable") == self.target:
            return "promoted"
        return "shadowed" if self.strategy == "shadow" and view.get("target") == self.target else "abandoned"


EXIT_CODES: Final = {"promoted": 0, "shadowed": 0, "unchanged": 0, "rolled_back": 1, "abandoned": 1, "timeout": 1}
"""By result. ``unchanged``: nothing was under way, so nothing failed."""


def follow(
    client: AdminClient, service: str, path: str, output: str, followed: Followed, *, timeout_s: float = 0.0, clock: Clock = _CLOCK
) -> int:
    """Show the rollout of the service at ``path`` (of the API) until it ends; returns the exit code. ``timeout_s`` 0: however long."""
    ends = clock.now() + timeout_s if timeout_s else math.inf

    def look() -> Any:
        return client.within(max(ends - clock.now(), limits.WATCH_INTERVAL_S)).get(path)

    views = looks(look, lost_max_s=limits.FOLLOW_LOST_MAX_S, ends=ends, clock=clock)
    result = silence = ""
    try:
        with screen(output) as shown:
            result = _until_its_end(views, followed, shower(client, path, output, shown))
    except Unreachable as error:
        if clock.now() < ends:
            raise
        result, silence = "timeout", f"no word of it after {timeout_s:g} s: {error}"
    except KeyboardInterrupt:
        running = followed.view.get("phase") not in (*RESTING, None)
        if running:
            remark(
                f"headgate: not followed any more; the rollout of {service} goes on. "
                f"See it: headgate rollout watch {service}; end it: headgate rollout abort {service} --reason TEXT"
            )
        raise
    late = silence or f"it is {followed.view.get('phase')} after {timeout_s:g} s, and goes on"
    _end(client, service, path, output, followed, result, late)
    return EXIT_CODES[result]


def _until_its_end(views: Iterable[Mapping[str, Any]], followed: Followed, show: Callable[[Mapping[str, Any]], None]) -> str:
    for view in views:
        result = followed.see(view)
        show(view)
        if result:
            return result
    return "timeout"


def shower(client: AdminClient, path: str, output: str, shown: Screen | None) -> Callable[[Mapping[str, Any]], None]:
    """What draws a view of the service at ``path`` with its latest decisions, or, without a screen, tells what is new in it."""
    if shown is None:
        lines = Lines(output)
        return lambda view: lines.tell([view])
    told: tuple[Any, ...] = ()
    latest: list[Mapping[str, Any]] = []

    def draw(view: Mapping[str, Any]) -> None:
        nonlocal told, latest
        from proxy.cli.status_view import watched

        if (new := news(view)) != told:
            told, latest = new, history(client, path, limits.WATCH_DECISIONS)
        shown.draw(watched([view], {str(view.get("service")): latest}))

    return draw


def _end(client: AdminClient, service: str, path: str, output: str, followed: Followed, result: str, late: str) -> None:
    """Say how it ended and why, as the history has it; ``late`` where it has not."""
    reason = ""
    if result == "timeout":
        reason = late
    elif followed.is_stable:
        reason = "it was stable already"
    elif result != "unchanged":
        reason = next((str(entry.get("reason")) for entry in history(client, path, 1)), str(followed.view.get("reason") or ""))
    told = {"service": service, "result": result, "version": followed.target, "stable": followed.view.get("stable"), "reason": reason}
    if output == "json":
        click.echo(json.dumps(told))
        return
    what = {
        "promoted": f"{followed.target} is promoted",
        "shadowed": f"{followed.target} has had its copies",
        "unchanged": f"nothing is under way; {followed.view.get('stable')} is stable",
        "rolled_back": f"{followed.target or 'the candidate'} is rolled back",
        "abandoned": f"{followed.target or 'the candidate'} is abandoned",
        "timeout": f"{followed.target or 'the candidate'} is not through",
    }[result]
    click.echo(f"{service}: {what}" + (f": {reason}" if reason else ""))
