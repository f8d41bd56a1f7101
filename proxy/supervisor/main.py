"""The supervisor process: everything made in order, kept until told to stop, ended in order.

Lock, sockets, store, control loop, admin API, workers; then signals. Decides nothing about traffic. If it dies, workers go on with
what they have; if the control loop breaks, it ends itself the same way, so that a service manager starts a whole one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from proxy import limits
from proxy.admin.server import AdminServer
from proxy.clock import SystemClock
from proxy.config import ConfigInvalid, Watcher, load
from proxy.control.events import RecentEvent, RecentEvents, Unable
from proxy.control.ledger import Ledger
from proxy.control.loop import Control
from proxy.errors import OperatorError, PlanRefused
from proxy.model.intent import Intent
from proxy.store import Store
from proxy.supervisor import logs
from proxy.supervisor.comparison import Comparison
from proxy.supervisor.fleet import Birth, Fleet, starter
from proxy.supervisor.lock import Claim, StateLock, lock_path
from proxy.supervisor.sockets import Sockets, is_worker
from proxy.supervisor.verdict import Verdicts
from proxy.tasks import TaskGroup
from proxy.telemetry.plain_structlog import structlog

EXIT_BROKEN = 70
"""Of sysexits: an internal error. Workers were left serving."""

EXIT_CUT = 1
"""Told to stop a second time: requests in flight were broken off."""

_WARNINGS = frozenset(
    {
        "worker_down",
        "worker_replaced",
        "comparer_down",
        "comparisons_unkept",
        "plan_refused",
        "not_decided",
        "not_kept",
        "stable_gone",
        "candidate_gone",
        "store",
        "source_down",
        "hook_given_up",
        "hook_retried",
        "notification_failed",
        "rolling_back",
        "rolled_back",
    }
)


def run(config_path: Path, *, why: str, overrides: Sequence[tuple[str, str]], env: Mapping[str, str]) -> int:
    """Serve until told to stop. ``why`` says which rule chose the file. Returns the exit code; what is wrong goes to stderr."""
    logs.configure()
    try:
        supervisor = Supervisor(config_path, why, lambda: load(config_path, env=env, overrides=overrides, to_serve=True))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(supervisor.live())
    except ConfigInvalid as invalid:
        for mistake in invalid.mistakes:
            sys.stderr.write(f"{mistake}\n")  # for people and editors: FILE:LINE:COL, as `validate` has it
        return 1
    except (OperatorError, PlanRefused) as error:
        sys.stderr.write(f"headgate: {error}\n")
        return 1


class Supervisor:
    """One run of headgate. Raises ``OperatorError`` (``ConfigInvalid`` included) while it starts."""

    def __init__(self, config_path: Path, why: str, read: Callable[[], Intent]) -> None:
        self._config_path = config_path
        self._why = why
        self._read = read
        self._watcher = Watcher(config_path, lambda: self._reload("file"))  # before the first reading: no change falls between
        self._first = read()
        self._log = structlog.get_logger()
        self._clock = SystemClock()
        self._instance = secrets.token_hex(8)
        self._stop = asyncio.Event()
        self._stops = 0
        self._failure: BaseException | None = None
        self._tasks = TaskGroup(self._failed)
        self._orphans: tuple[int, ...] = ()
        self._serving = False

    async def live(self) -> int:
        """From the lock to the exit code."""
        intent = self._first
        self._lock = StateLock(lock_path(intent.state_path))
        predecessor = self._lock.predecessor
        self._orphans = tuple(pid for pid in (predecessor.workers if predecessor else ()) if is_worker(pid))
        try:
            self._sockets = Sockets(intent.listeners, intent.workers, predecessor)
            try:
                return await self._serve(intent)
            finally:
                self._sockets.close()
        finally:
            self._lock.close()

    async def _serve(self, intent: Intent) -> int:
        store: list[Store] = []

        def open_store() -> Store:
            store.append(Store(Path(intent.state_path)))
            return store[0]

        events = RecentEvents(self._happened)
        ledger = await Ledger.opened(open_store)
        if store[0].notice:
            events.add(self._clock.wall(), "store", "", store[0].notice)
        birth = Birth(self._lock.path.resolve(), self._instance, intent.drain_timeout_s)
        verdicts = Verdicts(birth.lock, birth.instance)
        verdicts.sweep(self._clock.wall() - 10 * limits.CUTOVER_HOLD_MAX_S)
        self._fleet = Fleet(intent.workers, starter(birth, self._sockets.of_slot), self._clock, self._tasks, verdicts)
        comparison = Comparison(
            Path(intent.state_path), self._clock, self._tasks, lambda kind, text: events.add(self._clock.wall(), kind, "", text)
        )
        self._control = Control(
            intent,
            load=self._read,
            ledger=ledger,
            workers=self._fleet,
            clock=self._clock,
            events=events,
            tasks=self._tasks,
            comparisons=comparison,
        )
        admin = AdminServer(self._control)
        try:
            await self._control.start()
            self._claim()
            admin_url = await admin.start()
            self._tasks.spawn(self._control.run(), name="control")
            self._fleet.run(self._control)
            self._handle_signals()
            self._tasks.spawn(self._when_serving(admin_url), name="start")
            await self._stop.wait()
            code = await self._end()
        finally:
            await admin.close()
            await comparison.close()
            await self._tasks.close()
            await self._control.close()
            self._serving = False
            self._claim()
        if self._failure is not None:
            raise self._failure
        return code

    async def _when_serving(self, admin_url: str) -> None:
        await self._control.serving.wait()
        self._serving = True
        self._claim()
        intent = self._control.intent
        self._log.info(
            "accepting",
            listeners=self._sockets.addresses,
            workers=intent.workers,
            pid=os.getpid(),
            config=str(self._config_path),
            config_from=self._why,
            digest=intent.digest,
            admin=admin_url,
        )
        self._tasks.spawn(self._watcher.run(), name="watch")

    async def _end(self) -> int:
        """Workers finish what they have, or are told to hurry."""
        if self._failure is not None:
            if self._serving:
                self._abandon_ship(self._failure)
            await self._fleet.end()
            return 1
        self._control.draining = True
        timeout_s = self._control.intent.drain_timeout_s
        self._log.info("draining", timeout_s=timeout_s)
        draining = self._tasks.spawn(self._fleet.drain(timeout_s), name="drain")
        hurry = self._tasks.spawn(self._hurried(), name="hurry")
        self._sockets.close()  # ours too, or the kernel would go on taking connections that nobody answers
        await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            await self._fleet.end()
            self._log.warning("ended at once")
            return EXIT_CUT
        if self._failure is None:
            await self._control.settled()  # the workers' last counts are in the queue
            await self._control.outside.finish()
        self._log.info("ended", cut=draining.result())
        return 0

    async def _hurried(self) -> None:
        while self._stops < 2:
            self._stop.clear()
            await self._stop.wait()

    # ---- signals, files, failures ---------------------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload, "signal")
        loop.add_signal_handler(signal.SIGUSR1, self._fleet.reopen_logs)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped)

    def _stopped(self) -> None:
        self._stops += 1
        self._stop.set()

    def _reload(self, source: str) -> None:
        if not self._control.draining:
            self._tasks.spawn(self._reload_now(source), name=f"reload by {source}")

    async def _reload_now(self, source: str) -> None:
        try:
            await self._control.reload(source=source, by=source)
        except Unable as error:
            self._log.warning("reload", text=str(error))

    def _failed(self, name: str, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            if not isinstance(error, PlanRefused | OperatorError):
                self._log.error("failed", task=name, exc_info=error)
        self._stop.set()

    def _abandon_ship(self, error: BaseException) -> NoReturn:
        """The control plane is broken and the workers are not: leave them serving, and let a fresh supervisor take over.

        Not by the usual way out, for closing a process's transport kills the process.
        """
        self._log.error("control plane broken; workers serve on, start headgate again", error=repr(error))
        sys.stderr.flush()
        os._exit(EXIT_BROKEN)

    # ---- what others can see --------------------------------------------------------------------------------------------------

    def _happened(self, event: RecentEvent) -> None:
        if event.kind in ("worker_up", "worker_down"):
            self._claim()
        if event.kind == "worker_down" and not self._serving and self._control.worker_restarts >= limits.START_FAILURES_MAX:
            self._failed("workers", OperatorError(f"workers cannot be started ({event.text}); their own messages are above"))
        figures: dict[str, Any] = {k: v for k, v in event.figures.items() if v not in ("", (), [], None)}
        if event.service:
            figures["service"] = event.service
        refused = event.kind == "reload" and event.figures.get("outcome") == "refused"
        say = self._log.warning if refused or event.kind in _WARNINGS else self._log.info
        say(event.kind, text=event.text, **figures)

    def _claim(self) -> None:
        self._lock.write(
            Claim(
                pid=os.getpid(),
                instance=self._instance,
                serving=self._serving,
                workers=(*self._fleet.pids().values(), *self._orphans),
                sockets=self._sockets.unix_sockets(),
            )
        )
