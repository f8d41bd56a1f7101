"""The outside as the control loop sees it: it says where services stand, and hears answers as events. Nothing here is ever waited for.

Questions of the machine, sources of checks and notifications share one client, which is set up at the first call: a configuration that
has none of them costs nothing. Knows nothing of the machine's rules or of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from proxy import limits
from proxy.clock import Clock
from proxy.control.asking import Asking, question_of
from proxy.control.calling import Client
from proxy.control.events import Answered, Fetched, LoopEvent, RecentEvents, Unable
from proxy.control.messages import Told
from proxy.control.notify import Notifier
from proxy.control.sources import Sources
from proxy.control.standing import Move
from proxy.model.intent import Intent
from proxy.model.position import Position
from proxy.model.rollout import Check
from proxy.rollout.events import Heard
from proxy.tasks import TaskGroup


class Outside:
    """``enter`` puts an event into the loop's queue, and raises ``Unable`` when that is full."""

    def __init__(
        self, client: Client, tasks: TaskGroup, clock: Clock, events: RecentEvents, enter: Callable[[LoopEvent], None]
    ) -> None:
        def say(kind: str, service: str, text: str) -> None:
            events.add(clock.wall(), kind, service, text)

        self._client = client
        self._clock = clock
        self._enter = enter
        self._asking = Asking(client, tasks, clock, self._hear, say)
        self._sources = Sources(client, tasks, clock, self._fetched, say)
        self._notifier = Notifier(client, tasks, clock, say)

    # ---- what the loop says -----------------------------------------------------------------------------------------------------

    def configure(self, intent: Intent) -> None:
        """This configuration is in force."""
        services = {service.name for service in intent.services if service.target}
        self._notifier.configure(intent.notifications)
        self._asking.keep(services)
        self._sources.keep(services)

    def arrived(self, position: Position) -> None:
        """A service stands here, whatever was before: what it waits for is asked, unless that is being done."""
        if (ask := question_of(position)) is not None:
            self._asking.ask(position, ask)

    def moved(self, move: Move, revisions: Sequence[int]) -> None:
        """A move is kept, its records under these numbers: tell it, ask what it asks, and give up what it no longer waits for."""
        position = move.position
        self._asking.follow(position)
        self._sources.follow(position)
        for ask in move.asks:
            self._asking.ask(position, ask)
        for revision, record in zip(revisions, move.records, strict=True):
            self._notifier.tell(Told(position.service, revision, self._clock.wall(), record, position))

    def check(self, position: Position, checks: Sequence[Check]) -> None:
        """These checks of the rollout at ``position`` are due."""
        for check in checks:
            self._sources.ask(position, check)

    # ---- what others read -------------------------------------------------------------------------------------------------------

    def says(self, position: Position) -> str:
        """How the question stands that a service waits for, for people; empty when there is nothing to tell."""
        return self._asking.says(position.service, position.asking)

    @property
    def notifications(self) -> dict[str, dict[str, int]]:
        """By target and result (``notify.RESULTS``), since the start."""
        return self._notifier.counts

    # ---- what comes back --------------------------------------------------------------------------------------------------------

    async def _hear(self, service: str, heard: Heard) -> bool:
        reply: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            self._enter(Answered(service, heard, reply))
        except Unable:
            return False
        return await reply

    def _fetched(self, fetched: Fetched) -> None:
        try:
            self._enter(fetched)
        except Unable:
            return  # the next interval brings the next one

    # ---- the end ----------------------------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Give notifications of the last decisions a moment to get out. The tasks still run."""
        await self._notifier.finish(limits.NOTIFICATIONS_CLOSE_S)

    async def close(self) -> None:
        """Let go of the client. The tasks have ended."""
        await self._client.close()
