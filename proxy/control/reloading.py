"""A reload from its request to its result: read in a thread, checked against what runs, and taken whole or not at all.

Requests that come while the file is being read wait for one more reading, for it may have changed since. Knows nothing of YAML.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from proxy import limits
from proxy.clock import Clock
from proxy.control.decisions import Decisions
from proxy.control.events import Loaded, RecentEvents, ReloadRequested, ReloadResult, Unable, answer, fail
from proxy.control.publisher import Publisher
from proxy.control.reload import refusals
from proxy.errors import OperatorError, PlanRefused
from proxy.model.intent import Intent
from proxy.tasks import TaskGroup


class Reloading:
    """How reloading has gone: ``last`` result, whether it was ``successful``, and when one last was (Unix time)."""

    def __init__(
        self,
        load: Callable[[], Intent],
        decisions: Decisions,
        publisher: Publisher,
        clock: Clock,
        events: RecentEvents,
        tasks: TaskGroup,
        enter: Callable[[Loaded], None],
    ) -> None:
        self.last: ReloadResult | None = None
        self.successful = True
        self.succeeded_at_s = clock.wall()
        self._load = load
        self._decisions = decisions
        self._publisher = publisher
        self._clock = clock
        self._events = events
        self._tasks = tasks
        self._enter = enter
        self._reading = False
        self._waiting: list[ReloadRequested] = []

    def begin(self, request: ReloadRequested) -> None:
        """Read the file for this request, now or after the present reading."""
        if len(self._waiting) >= limits.RELOADS_WAITING_MAX:
            fail(request.reply, Unable("too many reloads are waiting already; one reading will answer them all"))
            return
        self._waiting.append(request)
        if not self._reading:
            self._read_again()

    def _read_again(self) -> None:
        self._reading = True
        requests, self._waiting = tuple(self._waiting), []
        self._tasks.spawn(self._read(requests), name="reload")

    async def _read(self, requests: tuple[ReloadRequested, ...]) -> None:
        outcome: Intent | OperatorError
        try:
            outcome = await asyncio.to_thread(self._load)  # 10,000 routes take seconds, and the loop must go on judging
        except OperatorError as error:
            outcome = error
        self._enter(Loaded(outcome, requests))

    async def end(self, loaded: Loaded) -> None:
        """Take what was read, answer whoever asked, and read again for those who came meanwhile."""
        self._reading = False
        try:
            result = await self._take(loaded.outcome, next((r.by for r in loaded.requests if r.source == "api"), ""))
        except BaseException as error:  # who asked must not wait for ever, whatever it was
            for request in loaded.requests:
                fail(request.reply, Unable(f"the reload failed: {error!r}"))
            raise
        self.last = result
        self.successful = result.outcome != "refused"
        if self.successful:
            self.succeeded_at_s = self._clock.wall()
        first = loaded.requests[0]
        text = f"{result.outcome} ({first.source}, by {first.by})" + (f": {result.message}" if result.message else "")
        self._events.add(self._clock.wall(), "reload", "", text, **msgspec.to_builtins(result))
        for request in loaded.requests:
            answer(request.reply, result)
        if self._waiting:
            self._read_again()

    async def _take(self, outcome: Intent | OperatorError, by: str) -> ReloadResult:
        old, generation = self._decisions.intent.digest, self._publisher.generation
        if isinstance(outcome, OperatorError):
            mistakes = tuple(_mistake(m) for m in getattr(outcome, "mistakes", ()))
            return ReloadResult("refused", old, "", str(outcome), mistakes, generation)
        refused = "; ".join(refusals(self._decisions.positions(), self._decisions.intent, outcome, self._clock.wall()))
        if not refused and not self._publisher.serving:
            refused = "no worker is serving now, so none could try the new configuration; try again"
        if not refused:
            try:
                await self._decisions.adopt(outcome, by)
            except (OperatorError, PlanRefused) as error:
                refused = str(error)
        if refused:
            return ReloadResult("refused", old, outcome.digest, refused, (), generation)
        kind = "unchanged" if old == outcome.digest else "applied"
        return ReloadResult(kind, old, outcome.digest, generation=self._publisher.generation)


def _mistake(mistake: object) -> dict[str, object]:
    """A mistake of the configuration as JSON values; its file may be a path."""
    return {name: _plain(getattr(mistake, name)) for name in ("file", "line", "column", "key", "text")}


def _plain(value: object) -> object:
    return value if isinstance(value, int | str) else str(value)
