"""The worker processes as the control loop sees them: a protocol. Knows nothing of processes, sockets or frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

import msgspec

from proxy.model.plan import RoutePlan


class Answer(msgspec.Struct, frozen=True):
    """What came of one order to one worker.

    ``done``: acknowledged. ``refused``: it cannot, ``reason`` says why. ``silent``: it lives and did not answer in time.
    ``gone``: it ended meanwhile, and will be started again without anybody asking.
    """

    state: Literal["done", "refused", "silent", "gone"]
    reason: str = ""


class Workers(Protocol):
    """Orders to workers, by slot number ``0 .. workers - 1``. None of these raises because of a worker; the answers say it."""

    async def prepare(self, plan: RoutePlan, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        """Each of ``slots`` compiles the plan beside the one it serves. Raises ``PlanRefused`` when it cannot even be sent."""
        ...

    async def commit(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        """Each of ``slots`` serves the plan it prepared, and accepts connections from the first one on."""
        ...

    def abandon(self, generation: int, slots: Collection[int]) -> None:
        """Each of ``slots`` forgets the plan it prepared."""
        ...

    def replace(self, slot: int, why: str) -> None:
        """Kill the worker in ``slot``; another one is started and announced."""
        ...

    async def collect(self, timeout_s: float) -> bool:
        """Have every worker send its counts now. False when one did not in time; what came has been delivered either way."""
        ...

    def pids(self) -> dict[int, int]:
        """The process of each slot that has one."""
        ...
