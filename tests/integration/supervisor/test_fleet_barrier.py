"""The barrier of a switch over real socket pairs: who holds, what is agreed on, and that the dead are waited for."""

from __future__ import annotations

import errno

import pytest

from proxy import limits
from proxy.control.workers import Answer
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.supervisor.verdict import STAY, SWITCH
from proxy.telemetry.cutover import Cutover
from tests.kit.waiting import eventually
from tests.kit.yard import Yard, yard

pytestmark = pytest.mark.asyncio


async def held(y: Yard) -> dict[int, Answer]:
    """Generation 2 is prepared, and every worker asked to hold."""
    await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
    return await y.fleet.hold(2, [0, 1], 0.1)


async def test_workers_are_told_which_services_switch_and_say_that_they_hold() -> None:
    async with yard() as y:
        await y.ready()
        answers = await held(y)

        assert {0: Answer("done"), 1: Answer("done")} == answers
        assert [ch.Prepare(RoutePlan(2, "d", (), (), ()), ("shop",)), ch.Hold(1, 2, limits.CUTOVER_HOLD_MAX_S)] == y.processes[0].got[
            -2:
        ]


async def test_a_worker_that_does_not_say_that_it_holds_is_silent() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[1].deaf = {ch.Hold}

        assert {0: Answer("done"), 1: Answer("silent")} == await held(y)


async def test_a_fresh_worker_that_serves_nothing_yet_need_not_hold() -> None:
    async with yard() as y:
        await y.ready()
        await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
        y.processes[1].exit(1)
        await y.until("up 1 102")

        assert {0: Answer("done"), 1: Answer("gone")} == await y.fleet.hold(2, [0, 1], 1.0)


async def test_a_worker_that_lives_and_cannot_be_told_to_hold_is_silent_not_gone() -> None:
    async with yard() as y:
        await y.ready()
        await y.fleet.prepare(RoutePlan(2, "d", (), (), ()), [0, 1], 1.0, ("shop",))
        y.processes[1].channel.close()
        await eventually(lambda: not y.fleet._slots[1].channel.open, 5, "its channel is closed")  # type: ignore[union-attr]  # it has one

        assert Answer("silent") == (await y.fleet.hold(2, [0, 1], 1.0))[1]


async def test_what_is_agreed_on_is_the_verdict_and_nobody_is_released() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)

        assert (True, SWITCH) == (y.fleet.agree(switch=True), y.verdicts.say(1, STAY))
        assert not any(isinstance(order, ch.Release) for order in y.processes[0].got)


async def test_once_a_worker_has_let_go_there_is_no_agreement_and_the_others_are_released() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)
        y.verdicts.say(1, STAY)

        assert not y.fleet.agree(switch=True)
        await eventually(lambda: ch.Release(1) in y.processes[0].got, 5, "the other one is released")


@pytest.mark.parametrize(("error", "agreed"), [(errno.ENOSPC, False), (errno.EPERM, True)])
async def test_a_word_that_cannot_be_kept_is_no_agreement_unless_nobody_else_can_ever_say_one(
    error: int, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that can say nothing ends when its time is up, so there is nobody to agree with."""
    async with yard() as y:
        await y.ready()
        await held(y)

        def full(number: int, outcome: str) -> str:
            raise OSError(error, "as the system says")

        monkeypatch.setattr(y.verdicts, "say", full)

        assert (agreed, False) == (y.fleet.agree(switch=True), y.fleet.agree(switch=False))


async def test_a_barrier_that_is_over_leaves_no_word_behind() -> None:
    async with yard() as y:
        await y.ready()
        await held(y)
        y.fleet.agree(switch=True)
        y.fleet.lower()

        assert STAY == y.verdicts.say(1, STAY)


async def test_what_a_worker_saw_of_a_switch_comes_with_its_answer() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[0].cutovers = (Cutover("shop", held=3),)
        await held(y)

        assert Answer("done", cutovers=(Cutover("shop", held=3),)) == (await y.fleet.commit(2, [0, 1], 1.0))[0]


async def test_a_killed_worker_is_waited_for() -> None:
    async with yard() as y:
        await y.ready()
        y.processes[1].dies_hard = True
        y.fleet.replace(1, "did not hold")
        early = await y.fleet.ended(0.01)
        y.processes[1].exit(-9)

        assert (False, True) == (early, await y.fleet.ended(1.0))
