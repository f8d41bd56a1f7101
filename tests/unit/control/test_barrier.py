"""Who holds before anybody commits, who is killed for it, and how often it is tried."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy.control.barrier import Barrier
from proxy.control.workers import Answer
from tests.kit.control_bench import PretendedWorkers

pytestmark = pytest.mark.asyncio


class Raised:
    """A barrier before workers 0 and 1, for generation 7."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.workers = PretendedWorkers(self.journal)
        self.replaced: list[int] = []
        self.barrier = Barrier(self.workers, self._replace)

    def _replace(self, answers: Mapping[int, Answer], why: str) -> None:
        slots = [slot for slot, answer in answers.items() if answer.state == "silent"]
        self.replaced += slots
        self.journal += [f"replace {slot}" for slot in slots]

    async def up(self) -> tuple[int, ...]:
        return await self.barrier.raised(7, (0, 1))


async def test_it_is_agreed_on_once_all_hold() -> None:
    raised = Raised()

    assert ((0, 1), ["hold 7 on 0, 1", "agree"]) == (await raised.up(), raised.journal)


async def test_a_worker_that_is_slow_once_is_waited_for_and_the_others_let_go_meanwhile() -> None:
    raised = Raised()
    raised.workers.deaf_to_hold = {1: 1}

    assert ((0, 1), 2) == (await raised.up(), raised.barrier.tries)
    assert ([], ["hold 7 on 0, 1", "stay", "lower", "hold 7 on 0, 1", "agree"]) == (raised.replaced, raised.journal)


async def test_a_worker_that_does_not_hold_is_killed_before_the_others_may_commit() -> None:
    raised = Raised()
    raised.workers.silent = {1}

    assert (0,) == await raised.up()
    assert ["hold 7 on 0, 1", "replace 1", "agree"] == raised.journal[-3:]


async def test_a_barrier_that_somebody_let_go_of_is_raised_again() -> None:
    raised = Raised()
    raised.workers.let_go = 1

    assert (0, 1) == await raised.up()
    assert (["hold 7 on 0, 1", "agree"], []) == (raised.journal[-2:], raised.replaced)


async def test_workers_that_let_go_every_time_are_not_left_on_the_old_plan() -> None:
    raised = Raised()
    raised.workers.let_go = 99

    assert () == await raised.up()
    assert [0, 1] == raised.replaced


async def test_without_workers_there_is_nothing_to_wait_for() -> None:
    raised = Raised()

    assert () == await raised.barrier.raised(7, ())


async def test_the_word_is_kept_while_a_killed_worker_might_still_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = Raised()
    await raised.up()

    async def never(timeout_s: float) -> bool:
        return False

    monkeypatch.setattr(raised.workers, "ended", never)
    await raised.barrier.lowered()

    assert "lower" not in raised.journal
