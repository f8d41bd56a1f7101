"""Telling others what was decided. Told after a decision is kept, from a queue with a bound, by a task of the target's own.

So a target that hangs, fails or is slow costs its own queue and nothing else: no decision waits for any of this, and what no longer
fits is dropped, oldest first, and counted. A target's URL can be its secret (Slack's is), so people are told its name only.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from proxy import limits
from proxy.clock import Clock
from proxy.control.calling import CallFailed, Client, secret
from proxy.control.messages import Told, signature, slack, webhook
from proxy.model.intent import Notification
from proxy.tasks import TaskGroup

RESULTS: Final = ("sent", "failed", "dropped")
"""What can come of a notification: taken, given up after the last try, or displaced from a full queue."""

Say = Callable[[str, str, str], None]
Sleep = Callable[[float], Awaitable[None]]


class _Target:
    """Whom to tell, and what waits for it. ``busy``: one is being sent. ``failing``: the last one was given up."""

    def __init__(self, wanted: Notification) -> None:
        self.wanted = wanted
        self.waiting: deque[tuple[str, Told]] = deque()
        self.more = asyncio.Event()
        self.busy = False
        self.failing = False
        self.counts = dict.fromkeys(RESULTS, 0)
        self.task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether it has been told everything."""
        return not self.waiting and not self.busy


class Notifier:
    """The targets of the configuration in force."""

    def __init__(
        self,
        client: Client,
        tasks: TaskGroup,
        clock: Clock,
        say: Say,
        *,
        sleep: Sleep = asyncio.sleep,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._clock = clock
        self._say = say
        self._sleep = sleep
        self._new_id = new_id
        self._targets: dict[str, _Target] = {}
        self._delivered = asyncio.Event()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """By target and result, since the start (a target that left the configuration and came back begins anew)."""
        return {name: target.counts for name, target in self._targets.items()}

    def configure(self, notifications: Sequence[Notification]) -> None:
        """Tell these from now on. A target that stays gets what waits for it in the new way; one that goes is told no more."""
        wanted = {notification.name: notification for notification in notifications}
        for name in self._targets.keys() - wanted.keys():
            task = self._targets.pop(name).task
            if task is not None:
                task.cancel()
        for name, notification in wanted.items():
            if name in self._targets:
                self._targets[name].wanted = notification
            else:
                self._targets[name] = _Target(notification)

    def tell(self, told: Told) -> None:
        """Queue a record for every target that wants its kind. Never waits."""
        for target in self._targets.values():
            if target.wanted.on and told.record.kind not in target.wanted.on:
                continue
            if len(target.waiting) >= limits.NOTIFICATIONS_WAITING_MAX:
                target.waiting.popleft()
                target.counts["dropped"] += 1
            target.waiting.append((self._new_id(), told))
            target.more.set()
            if target.task is None:
                target.task = self._tasks.spawn(self._run(target), name=f"notify {target.wanted.name}")

    async def finish(self, seconds: float) -> None:
        """Give what waits so long to be sent, unless its target is failing; for the end of the process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(not target.idle and not target.failing for target in self._targets.values()):
                    self._delivered.clear()
                    await self._delivered.wait()

    async def _run(self, target: _Target) -> None:
        while True:
            while not target.waiting:
                target.more.clear()
                await target.more.wait()
            target.busy = True
            delivery, told = target.waiting.popleft()
            why = await self._deliver(target, delivery, told)
            target.busy = False
            target.counts["failed" if why else "sent"] += 1
            name = target.wanted.name
            if why and not target.failing:
                text = f"notification {name} {why}; tried {limits.NOTIFICATION_TRIES_MAX} times and given up"
                self._say("notification_failed", "", text)
            elif target.failing and not why:
                self._say("notification_back", "", f"notification {name} takes them again")
            target.failing = bool(why)
            self._delivered.set()

    async def _deliver(self, target: _Target, delivery: str, told: Told) -> str:
        """Why it could not be delivered, in a clause; empty when it was."""
        pause_s, why = limits.CALL_RETRY_S_MIN, ""
        for number in range(limits.NOTIFICATION_TRIES_MAX):
            if number:
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, limits.CALL_RETRY_S_MAX)
            why = await self._try(target.wanted, delivery, told)
            if not why:
                break
        return why

    async def _try(self, wanted: Notification, delivery: str, told: Told) -> str:
        body = slack(told) if wanted.form == "slack" else webhook(told)
        headers = {"Content-Type": "application/json"}
        try:
            if wanted.form == "webhook":
                headers |= {"X-Headgate-Delivery": delivery, "X-Headgate-Timestamp": str(int(self._clock.wall()))}
                if wanted.secret_file:
                    key = await secret(wanted.secret_file)
                    headers["X-Headgate-Signature"] = signature(key, headers["X-Headgate-Timestamp"], body)
            answer = await self._client.call(
                "POST",
                wanted.url,
                timeout_s=wanted.timeout_s,
                bytes_max=limits.NOTIFICATION_ANSWER_BYTES_MAX,
                headers=headers,
                body=body,
            )
        except CallFailed as failed:
            return str(failed)
        return "" if answer.good else f"answered {answer.status}"
