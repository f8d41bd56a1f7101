"""The store in its own thread: one order, progress that never piles up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from proxy.analysis.series import Series
from proxy.control.ledger import Ledger
from proxy.errors import OperatorError
from proxy.model.position import Decided, Position, Record
from tests.kit.control_bench import InlineExecutor, StoreInMemory

pytestmark = pytest.mark.asyncio
HERE = Position("shop", stable="v1")


def series() -> tuple[Series, dict[str, Any]]:
    return Series(2.0), {}


def never() -> None:
    raise AssertionError("it was kept")


async def test_what_is_decided_is_in_the_store_when_it_returns() -> None:
    store = StoreInMemory([])
    ledger = Ledger(store, InlineExecutor())
    [numbers] = await ledger.decide([Decided(HERE, (Record("first", "why"),), {"rollout": 0})], 1.0)

    assert ([1], {"shop": (HERE, {"rollout": 0})}) == (numbers, await ledger.load())


async def test_every_call_is_made_in_the_thread_that_opened_the_store() -> None:
    threads: set[int] = set()

    class Noting(StoreInMemory):
        def __init__(self) -> None:
            super().__init__([])
            threads.add(threading.get_ident())

        def load(self):  # type: ignore[no-untyped-def]  # as in the base
            threads.add(threading.get_ident())
            return super().load()

    ledger = await Ledger.opened(Noting)
    await ledger.load()
    await ledger.close()

    assert (1, False) == (len(threads), threading.get_ident() in threads)


async def after_a_full_disk() -> tuple[Ledger, dict[str, str]]:
    """A ledger whose store has failed to keep progress and can again, and what was failing meanwhile."""
    store = StoreInMemory([])
    ledger = Ledger(store, InlineExecutor())
    store.broken = "disk full"
    ledger.progress(HERE, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    failed = dict(ledger.failing)
    store.broken = ""
    return ledger, failed


async def test_progress_is_not_written_while_the_one_before_still_is() -> None:
    gate = threading.Event()

    class Slow(StoreInMemory):
        def progress(self, position: Position, tally_json: object) -> None:
            gate.wait()

    ledger = await Ledger.opened(lambda: Slow([]))
    first, second = ledger.progress(HERE, None), ledger.progress(HERE, None)
    gate.set()
    await ledger.close()

    assert (True, False) == (first, second)


async def test_progress_that_fails_is_remembered_until_one_succeeds() -> None:
    ledger, failed = await after_a_full_disk()
    ledger.progress(HERE, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (["disk full"], {}) == (list(failed.values()), ledger.failing)


async def test_a_series_is_not_written_while_the_one_before_still_is() -> None:
    gate = threading.Event()

    class Slow(StoreInMemory):
        def keep_series(self, service: str, rollout: int, series: Series, exposure_json: object) -> None:
            gate.wait()

    ledger = await Ledger.opened(lambda: Slow([]))
    first, second = (ledger.keep_series("shop", 1, series, never) for _ in range(2))
    gate.set()
    await ledger.close()

    assert (True, False) == (first, second)


async def test_the_last_of_a_series_is_written_behind_the_one_before() -> None:
    gate = threading.Event()
    made: list[StoreInMemory] = []

    class Slow(StoreInMemory):
        def __init__(self) -> None:
            super().__init__([])
            made.append(self)

        def keep_series(self, service: str, rollout: int, series: Series, exposure_json: dict[str, Any]) -> None:
            gate.wait()
            super().keep_series(service, rollout, series, exposure_json)

    ledger = await Ledger.opened(Slow)
    taken = [ledger.keep_series(name, 1, series, never, last=last) for name, last in (("shop", False), ("blog", True), ("cart", False))]
    gate.set()
    await ledger.close()

    assert ([True, True, False], [("shop", 1), ("blog", 1)]) == (taken, list(made[0].kept_series))


async def test_a_series_that_could_not_be_written_is_told_of() -> None:
    failed = asyncio.Event()
    store = StoreInMemory([])
    ledger = Ledger(store, InlineExecutor())
    store.broken = "disk full"
    ledger.keep_series("shop", 1, series, failed.set)
    await asyncio.wait_for(failed.wait(), 5)
    ledger.progress(HERE, None)

    assert {"what rollouts have gone through": "disk full"} == ledger.failing


async def test_a_decision_makes_good_what_was_not_kept_of_progress() -> None:
    ledger, failed = await after_a_full_disk()
    await ledger.decide([Decided(HERE)], 1.0)

    assert ({"the progress of rollouts": "disk full"}, {}) == (failed, ledger.failing)


async def test_a_series_that_is_waited_for_is_there() -> None:
    ledger = Ledger(StoreInMemory([]), InlineExecutor())
    await ledger.keep_series_now("shop", 1, Series(2.0), {"users": 3})

    assert ((Series(2.0), {"users": 3}), None) == (await ledger.series("shop", 1), await ledger.series("shop", 2))


async def test_a_store_that_cannot_be_opened_says_so() -> None:
    def refuse() -> StoreInMemory:
        raise OperatorError("state.path: no such disk")

    with pytest.raises(OperatorError, match="no such disk"):
        await Ledger.opened(refuse)
