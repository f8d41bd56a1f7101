"""Looking at a running proxy again and again: the looks, which of them tell something new, and how they are shown as they come.

A terminal is redrawn; a pipe gets a line a change, JSON or text. Knows nothing of when to stop.
"""

from __future__ import annotations

import errno
import json
import math
import re
import select
import sys
import time  # only to sleep
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from proxy import limits
from proxy.cli.client import AdminClient, Unreachable
from proxy.cli.output import remark
from proxy.clock import Clock, SystemClock
from proxy.errors import OperatorError
from proxy.model.position import RESTING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_CLOCK: Final = SystemClock()
_NUMBERS: Final = re.compile(r"[0-9][0-9.,hms]*")


def looks(
    look: Callable[[], Any],
    *,
    lost_max_s: float = limits.WATCH_LOST_MAX_S,
    every_s: float = limits.WATCH_INTERVAL_S,
    ends: float = math.inf,
    clock: Clock = _CLOCK,
) -> Iterator[Any]:
    """Look again and again until ``ends``. A proxy that is away is waited for; away then, or over ``lost_max_s``, is Unreachable."""
    lost_since: float | None = None
    while True:
        try:
            body = look()
        except Unreachable as error:
            now = clock.now()
            if now >= ends:
                raise
            if lost_since is None:
                lost_since = now
                remark(f"headgate: {error}; looking again for {min(lost_max_s, ends - now):.0f} s")
            elif now - lost_since > lost_max_s:
                raise
        else:
            if lost_since is not None:
                remark("headgate: it answers again")
            lost_since = None
            yield body
        if (left := ends - clock.now()) <= 0:
            return
        time.sleep(min(every_s, left))


def news(view: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a service's view is a change when it changes: not the counts, nor how much of a wait is left."""
    verdict = view.get("last_verdict") or {}
    waits = _NUMBERS.sub("#", str(view.get("waiting_for") or ""))
    checks = tuple((check.get("name"), check.get("result")) for check in view.get("checks") or ())
    weights = tuple(sorted((view.get("weights") or {}).items()))
    names = ("service", "phase", "stable", "candidate", "step", "target", "reason", "rollout")
    return (*(view.get(name) for name in names), weights, waits, verdict.get("finding"), checks)


def line(view: Mapping[str, Any], service: str = "") -> str:
    """A service's state in a line."""
    service = service or str(view.get("service", "?"))
    phase, stable, candidate = view.get("phase", "?"), view.get("stable", "?"), view.get("candidate") or ""
    weights = view.get("weights") or {}
    said = f"{service}: {phase}, stable {stable}"
    if candidate:
        said += f", candidate {candidate} at {float(weights.get(candidate, 0)):g} %"
        said += f", {at}" if (at := place(view)) else ""
    because = view.get("waiting_for") or ""
    if phase == "rolled_back":
        because = view.get("reason") or because
    return f"{said}: {because}" if because else said


def place(view: Mapping[str, Any]) -> str:
    """Where in its plan a rollout stands: ``step 2 of 3``, counted from 1 as people do, ``preview``, or so many endpoints."""
    step, steps, strategy = view.get("step"), view.get("steps"), (view.get("plan") or {}).get("strategy")
    if not isinstance(step, int) or view.get("phase") in ("promoting", "rolling_back"):
        return ""
    if not isinstance(steps, int):
        return f"step {step + 1}"
    if strategy == "rolling":
        return f"{step} of {steps} endpoints"
    if strategy == "blue_green" and step + 1 >= steps:
        return "preview"
    return f"step {min(step + 1, steps)} of {steps}"


class Lines:
    """Changes of services, one line each; and one now and then while nothing changes, for whoever reads a log."""

    def __init__(self, output: str, *, clock: Clock = _CLOCK) -> None:
        self._output = output
        self._clock = clock
        self._told: dict[str, tuple[tuple[Any, ...], float]] = {}

    def tell(self, views: Iterable[Mapping[str, Any]]) -> None:
        """Say what is new. Raises BrokenPipeError when nobody reads any more, whether or not there is anything to say."""
        _check_reader()
        now = self._clock.now()
        for view in views:
            name, new = str(view.get("service", "")), news(view)
            old, at = self._told.get(name, (None, 0.0))
            repeats = view.get("phase") not in RESTING and now - at >= limits.WATCH_REPEAT_S
            if new != old or repeats:
                self._told[name] = (new, now)
                click.echo(json.dumps(view) if self._output == "json" else line(view))
        sys.stdout.flush()


def _check_reader() -> None:
    """A reader that has left is noticed by writing; a watch may have nothing to write for long."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # no file: somebody reads it in this process
    poll = select.poll()
    poll.register(out, 0)
    if any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0)):
        raise BrokenPipeError(errno.EPIPE, "nobody reads any more")


class Screen:
    """A terminal that is redrawn."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def draw(self, what: RenderableType) -> None:
        """Show this instead of what was there."""
        self._live.update(what, refresh=True)


def screen(output: str) -> AbstractContextManager[Screen | None]:
    """A screen where somebody looks at one, else None."""
    if output != "text" or not sys.stdout.isatty():
        return nullcontext()
    return _screen()


class _screen(AbstractContextManager["Screen"]):  # noqa: N801  # a context manager, named as it is used
    def __enter__(self) -> Screen:
        from rich.live import Live

        from proxy.cli.status_view import console

        self._live = Live(console=console(), auto_refresh=False, vertical_overflow="visible")
        self._live.start()
        return Screen(self._live)

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def history(client: AdminClient, path: str, count: int) -> list[Mapping[str, Any]]:
    """The last decisions of a service, newest first; none when they cannot be had now, for a watch is worth more than they are."""
    try:
        body = client.get(f"{path}/history?limit={count}")
    except OperatorError:
        return []
    found: list[Mapping[str, Any]] = body.get("revisions", [])
    return found
