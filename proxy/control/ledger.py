"""The store as the loop uses it: one thread, one order, awaited where durability comes before effect. Knows no SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol, Self, TypeVar

from proxy.analysis.series import Series
from proxy.model.position import Decided, Position, Revision

T = TypeVar("T")

_PROGRESS = "the progress of rollouts"
_SERIES = "what rollouts have gone through"


class Store(Protocol):
    """What the loop needs of ``proxy.store.Store``."""

    last_known_failed: str

    def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]: ...
    def decide_all(self, decided: Sequence[Decided], now: float) -> list[list[int]]: ...
    def progress(self, position: Position, tally_json: dict[str, Any] | None) -> None: ...
    def keep_series(self, service: str, rollout: int, series: Series, exposure_json: dict[str, Any]) -> None: ...
    def series(self, service: str, rollout: int) -> tuple[Series, dict[str, Any]] | None: ...
    def history(self, service: str, limit: int) -> list[Revision]: ...
    def revision(self, service: str, revision: int) -> Revision | None: ...
    def close(self) -> None: ...


class Ledger:
    """Calls reach the store in the order they were made. A decision is durable when ``decide`` returns."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._writing: asyncio.Future[None] | None = None
        self._recording: asyncio.Future[None] | None = None
        self._failed: dict[str, str] = {}

    @classmethod
    async def opened(cls, make: Callable[[], Store]) -> Self:
        """Open the store in the thread it will live in (a connection belongs to its thread)."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        store = await asyncio.get_running_loop().run_in_executor(executor, make)
        return cls(store, executor)

    async def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]:
        """Every position there is, with its tally."""
        return await self._do(self._store.load)

    async def decide(self, decided: Sequence[Decided], now: float) -> list[list[int]]:
        """Keep positions and their records in one transaction, all or none; returns the revision numbers of each one's records."""
        numbers = await self._do(lambda: self._store.decide_all(decided, now))
        self._failed.pop(_PROGRESS, None)  # where they stand is kept now, whatever was not before
        return numbers

    def progress(self, position: Position, tally: dict[str, Any] | None) -> bool:
        """Keep a position that only moved on, without waiting. False (and nothing) while the one before is still being written."""
        if self._writing is not None and not self._writing.done():
            return False
        self._writing = asyncio.get_running_loop().run_in_executor(self._executor, self._store.progress, position, tally)
        self._writing.add_done_callback(lambda done: self._wrote(_PROGRESS, done, lambda: None))
        return True

    async def progress_now(self, position: Position, tally: dict[str, Any] | None) -> None:
        """The same, waited for: at the end there is no next time."""
        await self._do(lambda: self._store.progress(position, tally))

    def keep_series(
        self,
        service: str,
        rollout: int,
        kept: Callable[[], tuple[Series, dict[str, Any]]],
        on_failed: Callable[[], None],
        *,
        last: bool = False,
    ) -> bool:
        """Keep what a rollout has gone through, without waiting. False (and nothing) while the one before is still being written.

        ``kept`` is asked only when it is written. The ``last`` of a rollout is written behind whatever is before it.
        """
        if self._recording is not None and not self._recording.done() and not last:
            return False
        keep = self._store.keep_series
        self._recording = asyncio.get_running_loop().run_in_executor(self._executor, keep, service, rollout, *kept())
        self._recording.add_done_callback(lambda done: self._wrote(_SERIES, done, on_failed))
        return True

    async def keep_series_now(self, service: str, rollout: int, series: Series, exposure: dict[str, Any]) -> None:
        """The same, waited for: at the end there is no next time."""
        await self._do(lambda: self._store.keep_series(service, rollout, series, exposure))

    async def series(self, service: str, rollout: int) -> tuple[Series, dict[str, Any]] | None:
        """What is kept of a rollout, or None."""
        return await self._do(lambda: self._store.series(service, rollout))

    async def history(self, service: str, limit: int) -> list[Revision]:
        """The latest entries of a service, newest first."""
        return list(await self._do(lambda: self._store.history(service, limit)))

    async def revision(self, service: str, number: int) -> Revision | None:
        """One entry, or None."""
        return await self._do(lambda: self._store.revision(service, number))

    async def close(self) -> None:
        """Close the store after all that was asked of it."""
        await self._do(self._store.close)
        self._executor.shutdown(wait=False)

    async def _do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def _wrote(self, what: str, done: asyncio.Future[None], on_failed: Callable[[], None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is None:
            self._failed.pop(what, None)
        else:
            self._failed[what] = str(error)  # it is no decision: the next one makes it good
            on_failed()

    @property
    def failing(self) -> dict[str, str]:
        """What could not be written the last time, and why. Nothing is decided on any of it, but somebody has to hear of it."""
        last_known = self._store.last_known_failed
        return self._failed | ({"the file of last known stables": last_known} if last_known else {})
