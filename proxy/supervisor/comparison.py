"""The comparer's process, as the supervisor keeps it: started when a service is first compared, started again when it ends.

What ``control`` calls ``Comparisons``. Knows nothing of pairs: those go from the workers to the comparer's socket.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from proxy import limits
from proxy.clock import Clock
from proxy.shadow import messages
from proxy.supervisor import channel as ch
from proxy.supervisor import own_directory
from proxy.supervisor.fleet import Process, backoff_s, ended, interpreter
from proxy.tasks import TaskGroup

_SOCKET = "compare"


class Comparison:
    """One comparer, or none yet. ``state`` is the path of the state file, beside which the comparer keeps its own.

    ``tell`` hears (kind, sentence) of what goes wrong: ``comparer_down``, ``comparisons_unkept`` and, when that is over,
    ``comparisons_kept``.
    """

    def __init__(self, state: Path, clock: Clock, tasks: TaskGroup, tell: Callable[[str, str], None]) -> None:
        self._file = state.with_name(state.name + ".shadow.json")
        self._clock = clock
        self._tasks = tasks
        self._tell = tell
        self._unkept = ""
        self._closing = False
        self._directory = own_directory.named(_SOCKET)  # nobody else's pairs get in
        self._services: dict[str, messages.Rules] = {}
        self._summaries: dict[str, messages.Summary] = {}
        self._channel: ch.Channel | None = None
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._asks = 0

    @property
    def path(self) -> str:
        """See ``control.comparisons``. The same from start to end: it is in plans before anything is there."""
        return str(self._directory / _SOCKET)

    @property
    def summaries(self) -> Mapping[str, messages.Summary]:
        """See ``control.comparisons``."""
        return self._summaries

    @property
    def pid(self) -> int | None:
        """Of the process, when there is one."""
        return self._process.pid if self._process is not None else None

    def use(self, services: dict[str, messages.Rules]) -> None:
        """See ``control.comparisons``."""
        if services == self._services:
            return
        self._services = services
        self._summaries = {
            name: summary
            for name, summary in self._summaries.items()
            if name in services and (summary.version, summary.rollout) == (services[name].version, services[name].rollout)
        }
        if self._keeper is None and services:
            self._keeper = self._tasks.spawn(self._keep(), name="comparer")
        self._send(messages.Compare(services))

    async def report(self, service: str) -> dict[str, Any] | None:
        """See ``control.comparisons``."""
        if service not in self._services or self._channel is None:
            return None
        self._asks += 1
        number = self._asks
        shown: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = shown
        self._send(messages.Ask(number, service))
        try:
            async with asyncio.timeout(limits.COMPARER_ANSWER_S):
                return await shown
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    async def close(self) -> None:
        """End the comparer; it keeps its counts first."""
        self._closing = True
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            try:
                async with asyncio.timeout(limits.COMPARER_ANSWER_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        own_directory.remove(self._directory)

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = self._clock.now()
            why = await self._live()
            if self._closing:
                return
            self._tell("comparer_down", f"the comparer {why}; pairs are dropped until there is another")
            failures = 1 if self._clock.now() - began >= limits.WORKER_STEADY_S else failures + 1
            await asyncio.sleep(backoff_s(failures))

    async def _live(self) -> str:
        """One process from start to end; returns why it ended."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        channel = ch.Channel(messages.Up, self._heard, self._lost)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
        try:
            own_directory.make(self._directory)
            self._process = await asyncio.create_subprocess_exec(
                *interpreter(),
                "proxy.supervisor.comparer",
                f"--channel={theirs.fileno()}",
                f"--socket={self.path}",
                f"--file={self._file}",
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            channel.close()
            return f"cannot be started: {error}"
        finally:
            theirs.close()
        self._channel = channel
        self._send(messages.Compare(self._services))
        try:
            code = await self._process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()  # it is nobody's else: a loop that ends before it leaves its transport open
            raise
        self._process = None
        channel.close()
        return ended(code)

    def _heard(self, message: object) -> None:
        match message:
            case messages.Summary():
                rules = self._services.get(message.service)
                if rules is not None and (rules.version, rules.rollout) == (message.version, message.rollout):
                    self._summaries[message.service] = message
            case messages.Shown(id=number, report=report):
                shown = self._asked.get(number)
                if shown is not None and not shown.done():
                    shown.set_result(report)
            case messages.Unkept(why=why):
                self._written(why)

    def _written(self, why: str) -> None:
        """The counts were written, or not: ``why``. Every writing is heard of, and told when it is not as the one before."""
        if why and why != self._unkept:
            self._tell("comparisons_unkept", f"the comparisons could not be written, and a restart would lose them: {why}")
        elif self._unkept and not why:
            self._tell("comparisons_kept", "the comparisons can be written again")
        self._unkept = why

    def _lost(self) -> None:
        self._channel = None
        for shown in self._asked.values():
            if not shown.done():
                shown.set_result(None)

    def _send(self, message: messages.Down) -> None:
        if self._channel is not None:
            self._channel.send(message)
