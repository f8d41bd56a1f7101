"""Sources of checks outside: Prometheus and HTTP, asked when a check is due. They fetch; others say when, and judge.

A check that has not been answered yet is not asked a second time. A source that cannot be read is told of once, and once more when it
can be again. Knows nothing of limits, results or steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode

from proxy import limits
from proxy.analysis.checks import Observed
from proxy.clock import Clock
from proxy.control import readings
from proxy.control.calling import Answer, CallFailed, Client, bearer
from proxy.control.events import Fetched
from proxy.control.readings import Reading
from proxy.model.position import RESTING, Position
from proxy.model.rollout import Check
from proxy.model.url import shown
from proxy.rollout.words import duration
from proxy.tasks import TaskGroup

Tell = Callable[[Fetched], None]
Say = Callable[[str, str, str], None]
"""Tell people: kind, service, text."""


class _Service:
    """The rollout that is asked for, the queries under way, and since when (monotonic) each check could not be read."""

    def __init__(self, rollout: int) -> None:
        self.rollout = rollout
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self.down_since: dict[str, float] = {}


class Sources:
    """Every query under way, by service and check."""

    def __init__(self, client: Client, tasks: TaskGroup, clock: Clock, tell: Tell, say: Say) -> None:
        self._client = client
        self._tasks = tasks
        self._clock = clock
        self._tell = tell
        self._say = say
        self._room = asyncio.Semaphore(limits.CALLS_IN_FLIGHT_MAX)
        self._services: dict[str, _Service] = {}

    def ask(self, position: Position, check: Check) -> None:
        """Ask for one check of the rollout at ``position``, unless that is being done."""
        self.follow(position)
        asked = self._services.setdefault(position.service, _Service(position.rollout))
        if check.name not in asked.under_way:
            task = self._tasks.spawn(self._run(position, check, asked), name=f"check {position.service} {check.name}")
            asked.under_way[check.name] = task

    def follow(self, position: Position) -> None:
        """Give up what is asked for another rollout than the one at ``position``, or for one that has ended."""
        asked = self._services.get(position.service)
        if asked is not None and (position.phase in RESTING or position.rollout != asked.rollout):
            self._stop(position.service)

    def keep(self, services: set[str]) -> None:
        """Ask for no service but these."""
        for service in self._services.keys() - services:
            self._stop(service)

    def _stop(self, service: str) -> None:
        for task in self._services.pop(service).under_way.values():
            task.cancel()

    async def _run(self, position: Position, check: Check, asked: _Service) -> None:
        try:
            reading = await self._read(position, check)
        finally:
            del asked.under_way[check.name]
        self._say_changes(position.service, check, reading, asked)
        self._tell(Fetched(position.service, position.rollout, observed(check.name, self._clock.wall(), reading)))

    def _say_changes(self, service: str, check: Check, reading: Reading, asked: _Service) -> None:
        now = self._clock.now()
        if reading.kind == "error":
            if check.name not in asked.down_since:
                asked.down_since[check.name] = now
                self._say("source_down", service, f"check {check.name}: {reading.text}; nothing is decided on it until it can be read")
        elif (since := asked.down_since.pop(check.name, None)) is not None:
            self._say("source_back", service, f"check {check.name}: {source(check)} can be read again after {duration(now - since)}")

    async def _read(self, position: Position, check: Check) -> Reading:
        try:
            if check.prometheus is not None:
                query = check.prometheus
                url = f"{query.address.rstrip('/')}/api/v1/query?" + urlencode({"query": readings.filled(query.query, position)})
                reading = readings.from_prometheus(await self._call(url, query.timeout_s, query.token_file))
            else:
                assert check.http is not None, "own metrics are read, not asked for"
                url = readings.filled(check.http.url, position)
                answer = await self._call(url, check.http.timeout_s, check.http.token_file)
                reading = readings.from_http(answer, check.http.value)
        except CallFailed as failed:
            reading = readings.error(str(failed))
        return readings.error(f"{source(check)} {reading.text}") if reading.kind == "error" else reading

    async def _call(self, url: str, timeout_s: float, token_file: str) -> Answer:
        headers = {"Accept": "application/json", **await bearer(token_file)}
        try:
            async with asyncio.timeout(timeout_s):
                await self._room.acquire()
        except TimeoutError:
            raise CallFailed(f"was not asked: {limits.CALLS_IN_FLIGHT_MAX} others have not answered yet") from None
        try:
            return await self._client.call("GET", url, timeout_s=timeout_s, bytes_max=limits.QUERY_ANSWER_BYTES_MAX, headers=headers)
        finally:
            self._room.release()


def observed(check: str, at_s: float, reading: Reading) -> Observed:
    """A reading as the judge takes it."""
    if reading.kind == "error":
        return Observed(check, at_s, error=reading.text)
    value = float(reading.kind == "yes") if reading.kind in ("yes", "no") else reading.value
    return Observed(check, at_s, value, text=reading.text)


def source(check: Check) -> str:
    """The source of a check, for people."""
    if check.prometheus is not None:
        return f"Prometheus at {shown(check.prometheus.address)}"
    assert check.http is not None, "own metrics have no source outside"
    return shown(check.http.url)
