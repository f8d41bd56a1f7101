"""The worker processes as the control loop sees them: a protocol. Knows nothing of processes, sockets or frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

import msgspec

from proxy.model.plan import RoutePlan
from proxy.telemetry.cutover import Cutover


class Answer(msgspec.Struct, frozen=True):
    """What came of one order to one worker.

    ``done``: acknowledged. ``refused``: it cannot, ``reason`` says why. ``silent``: it lives and did not answer in time.
    ``gone``: it ended meanwhile, and will be started again without anybody asking. ``cutovers``: what it saw of a switch.
    """

    state: Literal["done", "refused", "silent", "gone"]
    reason: str = ""
    cutovers: tuple[Cutover, ...] = ()


class Workers(Protocol):
    """Orders to workers, by slot number ``0 .. workers - 1``. None of these raises because of a worker; the answers say it."""

    async def prepare(
        self, plan: RoutePlan, slots: Collection[int], timeout_s: float, switching: tuple[str, ...] = ()
    ) -> dict[int, Answer]:
        """Each of ``slots`` compiles the plan beside the one it serves. Raises ``PlanRefused`` when it cannot even be sent.

        ``switching`` are the services whose requests ``hold`` will hold.
        """
        ...

    async def hold(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        """Raise a barrier: each of ``slots`` keeps new requests of the services that switch waiting, ``CUTOVER_HOLD_MAX_S`` at most.

        ``silent`` is also who may be serving and could not be asked.
        """
        ...

    def agree(self, *, switch: bool) -> bool:
        """Say for all how the barrier ends, before anybody is told to commit. False: a worker has spoken before, and let go.

        With ``switch`` false, or when it returns False, all that hold are told to let go as well.
        """
        ...

    async def ended(self, timeout_s: float) -> bool:
        """Wait until every worker that was told to be replaced has ended. False when one has not in time."""
        ...

    def lower(self) -> None:
        """The barrier has been dealt with: no worker holds any more."""
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
