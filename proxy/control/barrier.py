"""Raising the barrier of an atomic switch: every worker holds, or is dead, before any of them may commit.

Then no request that begins after one was answered on the new plan can be answered on the old: whoever might do that holds. Knows
nothing of plans, positions or processes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from proxy import limits
from proxy.control.workers import Answer, Workers


class Barrier:
    """One switch at a time: ``raised``, commits, ``lowered``. ``replace`` replaces all silent ones among some answers."""

    def __init__(self, workers: Workers, replace: Callable[[Mapping[int, Answer], str], None]) -> None:
        self._workers = workers
        self._replace = replace
        self.tries = 0
        """How often the last one had to be raised."""

    async def raised(self, generation: int, slots: Collection[int]) -> tuple[int, ...]:
        """Those of ``slots`` that hold; all others are dead, and the switch is agreed on: it has happened, and only has to be told.

        A worker that is merely slow gets a second chance, for to kill it is to lose what it has in flight.
        """
        for attempt in range(1, limits.CUTOVER_TRIES_MAX + 1):
            self.tries = attempt
            holding = await self._held(generation, slots, patient=attempt < limits.CUTOVER_TRIES_MAX)
            if holding is not None and self._workers.agree(switch=True):
                return holding
            self._workers.agree(switch=False)
            self._workers.lower()
        # They held each time, and each time let go before we could agree: it was us who were too slow. Even so none may stay behind.
        why = f"let go of generation {generation} {limits.CUTOVER_TRIES_MAX} times"
        self._replace(dict.fromkeys(slots, Answer("silent")), why)
        await self._workers.ended(limits.COMMIT_TIMEOUT_S)
        return ()

    async def _held(self, generation: int, slots: Collection[int], *, patient: bool) -> tuple[int, ...] | None:
        """Who holds, once everybody does or is dead. None: somebody does not, and is to be waited for once more."""
        answers = await self._workers.hold(generation, slots, limits.CUTOVER_ANSWER_S)
        if patient and any(answer.state == "silent" for answer in answers.values()):
            return None
        self._replace(answers, f"did not hold for generation {generation} in {limits.CUTOVER_ANSWER_S:g} s")
        # A killed process runs no more code even if it takes long to be gone, so the last try need not wait for that.
        if not await self._workers.ended(limits.CUTOVER_KILL_S) and patient:
            return None
        return tuple(slot for slot, answer in sorted(answers.items()) if answer.state == "done")

    async def lowered(self) -> None:
        """All that held have committed, or are to be replaced: once those are dead, nobody needs the word on it any more."""
        if await self._workers.ended(limits.COMMIT_TIMEOUT_S):
            self._workers.lower()
