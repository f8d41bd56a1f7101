"""A headgate whose supervisor is tampered with: ``python -m tests.kit.tampered TAMPERING run --config F``. Workers are the real ones.

So that what is a matter of a millisecond happens every time: a worker that stops just before it is asked to hold, a supervisor that
dies just after all hold. The proxy itself knows nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Collection
from typing import Any

from proxy import limits
from proxy.cli.main import main
from proxy.control.publisher import Publisher
from proxy.control.workers import Answer
from proxy.model.plan import RoutePlan
from proxy.supervisor.fleet import Fleet

LAG_S = 0.02
"""How much later the second worker gets its order to commit: a busy worker's time, many requests long."""


def slow_commit() -> None:
    """The workers' orders to commit come ``LAG_S`` apart."""
    commit = Fleet.commit

    async def one_by_one(self: Fleet, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for slot in slots:
            answers |= await commit(self, generation, [slot], timeout_s)
            await asyncio.sleep(LAG_S)
        return answers

    _put(Fleet, "commit", one_by_one)


def no_barrier() -> None:
    """Nobody holds; and orders to commit come apart."""
    slow_commit()
    prepare = Publisher.prepare

    async def without(self: Publisher, plan: RoutePlan, switching: tuple[str, ...] = ()) -> None:
        await prepare(self, plan)

    _put(Publisher, "prepare", without)


def _before_hold(act: Callable[[Fleet], None], *, times: int = 1) -> None:
    hold = Fleet.hold
    left = [times]

    async def tampered(self: Fleet, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        if left[0]:
            left[0] -= 1
            act(self)
        return await hold(self, generation, slots, timeout_s)

    _put(Fleet, "hold", tampered)


def stop_before_hold() -> None:
    """Worker 1 is stopped just before it is asked to hold."""
    _before_hold(lambda fleet: os.kill(fleet.pids()[1], signal.SIGSTOP))


def pause_before_hold() -> None:
    """Worker 1 is stopped just before it is asked to hold, and goes on a little after the others have given up on it."""

    def pause(fleet: Fleet) -> None:
        pid = fleet.pids()[1]
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(1.5 * limits.CUTOVER_ANSWER_S, os.kill, pid, signal.SIGCONT)

    _before_hold(pause)


def _around_agreement(before: Callable[[Fleet], None], after: Callable[[Fleet], None]) -> None:
    agree = Fleet.agree

    def tampered(self: Fleet, *, switch: bool) -> bool:
        before(self)
        agreed = agree(self, switch=switch)
        after(self)
        return agreed

    _put(Fleet, "agree", tampered)


def _nothing(_fleet: Fleet) -> None:
    return


def stop_in_hold() -> None:
    """Worker 1 is stopped when it holds, after the agreement."""
    _around_agreement(_nothing, lambda fleet: os.kill(fleet.pids()[1], signal.SIGSTOP))


def kill_in_hold() -> None:
    """Worker 1 is killed when it holds, before the agreement."""
    _around_agreement(lambda fleet: os.kill(fleet.pids()[1], signal.SIGKILL), _nothing)


def die_before_agreement() -> None:
    """The supervisor dies when all hold."""
    _around_agreement(lambda _fleet: os.kill(os.getpid(), signal.SIGKILL), _nothing)


def die_after_agreement() -> None:
    """The supervisor dies when it is agreed on and nobody has been told."""
    _around_agreement(_nothing, lambda _fleet: os.kill(os.getpid(), signal.SIGKILL))


def slow_agreement() -> None:
    """The supervisor is stuck, the first time, for longer than workers hold."""
    hold = Fleet.hold
    stuck = [True]

    async def late(self: Fleet, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        answers = await hold(self, generation, slots, timeout_s)
        if stuck:
            stuck.clear()
            await asyncio.sleep(1.4 * limits.CUTOVER_HOLD_MAX_S)
        return answers

    _put(Fleet, "hold", late)


TAMPERINGS = (
    slow_commit,
    no_barrier,
    stop_before_hold,
    pause_before_hold,
    stop_in_hold,
    kill_in_hold,
    die_before_agreement,
    die_after_agreement,
    slow_agreement,
)


def _put(owner: type[Any], name: str, what: Any) -> None:
    setattr(owner, name, what)


if __name__ == "__main__":
    {tampering.__name__: tampering for tampering in TAMPERINGS}[sys.argv[1]]()
    main(sys.argv[2:])
