"""What enters the control loop, and what it has done lately: the queue's messages and a bounded ring for people.

History that must last is in the store; this ring is for the log, for status and for whoever listens. Knows nothing of either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Any, TypeVar

import msgspec

from proxy import limits
from proxy.analysis.checks import Observed
from proxy.errors import OperatorError
from proxy.model.intent import Intent
from proxy.rollout.events import Heard
from proxy.telemetry.snapshot import Snapshot

T = TypeVar("T")


class UnknownName(OperatorError):
    """There is no such service, version or revision."""


class Unable(OperatorError):
    """It could not be done now, through no fault of what was asked."""


def answer(reply: asyncio.Future[T], value: T) -> None:
    """Answer whoever still waits."""
    if not reply.done():
        reply.set_result(value)


def fail(reply: asyncio.Future[T], error: OperatorError) -> None:
    """Tell whoever still waits why not."""
    if not reply.done():
        reply.set_exception(error)


class ReloadRequested(msgspec.Struct, frozen=True):
    """Read the configuration again. ``source`` is file, signal or api; ``reply`` gets a ``ReloadResult``."""

    source: str
    by: str
    reply: asyncio.Future[ReloadResult]


class Loaded(msgspec.Struct, frozen=True):
    """The configuration as it was just read, or why it cannot be; answers every request that came before the reading began."""

    outcome: Intent | OperatorError
    requests: tuple[ReloadRequested, ...]


class CommandGiven(msgspec.Struct, frozen=True):
    """An operator's word on one service. ``force`` overrides the schema guard, and is recorded when that would have refused."""

    service: str
    verb: str
    by: str
    to: str
    full: bool
    reason: str
    reply: asyncio.Future[None]
    force: bool = False


class Answered(msgspec.Struct, frozen=True):
    """What came of a question of a service's machine. ``reply``: whether that could be acted on now."""

    service: str
    heard: Heard
    reply: asyncio.Future[bool]


class Fetched(msgspec.Struct, frozen=True):
    """What the source of a check gave, and for which rollout of which service."""

    service: str
    rollout: int
    observed: Observed


class WorkersRose(msgspec.Struct, frozen=True):
    """One worker or more have started and serve nothing yet."""


class WorkerFell(msgspec.Struct, frozen=True):
    """The worker in ``slot`` ended."""

    slot: int


class Counted(msgspec.Struct, frozen=True):
    """The worker in ``slot`` sent its counts."""

    slot: int
    snapshot: Snapshot


class Reached(msgspec.Struct, frozen=True):
    """All that entered before this has been dealt with."""

    reply: asyncio.Future[None]


LoopEvent = ReloadRequested | Loaded | CommandGiven | Answered | Fetched | WorkersRose | WorkerFell | Counted | Reached


class ReloadResult(msgspec.Struct, frozen=True):
    """What a reload came to. ``outcome`` is applied, unchanged or refused; ``mistakes`` are {file, line, column, key, text}.

    ``message`` says in a sentence why it was refused; refused means that nothing at all has changed.
    """

    outcome: str
    old_digest: str
    new_digest: str
    message: str = ""
    mistakes: tuple[dict[str, Any], ...] = ()
    generation: int = 0


class RecentEvent(msgspec.Struct, frozen=True):
    """One thing that happened: a number that grows, Unix time, what, to which service (empty: the proxy), a sentence, figures."""

    id: int
    at_s: float
    kind: str
    service: str
    text: str
    figures: dict[str, Any] = {}


REPEATING = frozenset({"not_decided", "not_kept"})
"""Kinds that come again with every report until somebody mends the cause: the same within ``REPEAT_S`` is one event."""

REPEAT_S = 10.0


class RecentEvents:
    """The last ``limits.RECENT_EVENTS_MAX``; ``on_event`` (the log) sees each as it is added."""

    def __init__(self, on_event: Callable[[RecentEvent], None]) -> None:
        self._ring: deque[RecentEvent] = deque(maxlen=limits.RECENT_EVENTS_MAX)
        self._on_event = on_event
        self._count = 0

    def add(self, at_s: float, kind: str, service: str, text: str, **figures: Any) -> None:
        """Remember it and tell."""
        if kind in REPEATING and self._told_lately(at_s, kind, service, text):
            return
        self._count += 1
        event = RecentEvent(self._count, at_s, kind, service, text, figures)
        self._ring.append(event)
        self._on_event(event)

    def _told_lately(self, at_s: float, kind: str, service: str, text: str) -> bool:
        lately = takewhile(lambda event: at_s - event.at_s < REPEAT_S, reversed(self._ring))
        return any((event.kind, event.service, event.text) == (kind, service, text) for event in lately)

    @property
    def newest(self) -> int:
        """The number of the latest event; 0 before there is one."""
        return self._count

    def since(self, after: int = 0) -> tuple[RecentEvent, ...]:
        """Those with a higher number than ``after``, oldest first."""
        return tuple(event for event in self._ring if event.id > after)
