"""The one door of a reload: whole or not at all, and who asks while the file is read is answered by one more reading."""

from __future__ import annotations

import asyncio
import threading

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.config import ConfigInvalid, Mistake
from proxy.control.events import Unable
from proxy.errors import OperatorError
from proxy.model.intent import Intent
from proxy.model.position import Phase
from tests.kit.control_bench import bench, intent, service

pytestmark = pytest.mark.asyncio


async def test_a_reload_tells_the_old_and_the_new_digest() -> None:
    async with bench() as b:
        result = await b.target("v2")

        assert ("applied", "d1", "d2", 2) == (result.outcome, result.old_digest, result.new_digest, result.generation)


async def test_the_same_content_is_unchanged_and_runs_through_all_the_same() -> None:
    async with bench() as b:
        result = await b.control.reload(source="test", by="test")

        assert ("unchanged", ["prepare 2", "commit 2"]) == (result.outcome, b.journal)


async def test_mistakes_are_handed_on_and_the_old_configuration_stays() -> None:
    async with bench() as b:
        b.file = ConfigInvalid((Mistake("c.yaml", 3, 5, "services.shop.target", "v9 is no version"),))
        result = await b.control.reload(source="test", by="test")

        assert ("refused", [], "d1", False) == (result.outcome, b.journal, b.control.intent.digest, b.control.reloading.successful)
        assert (
            {"file": "c.yaml", "line": 3, "column": 5, "key": "services.shop.target", "text": "v9 is no version"},
        ) == result.mistakes


async def test_a_file_that_is_gone_is_refused_with_its_reason() -> None:
    async with bench() as b:
        b.file = OperatorError("c.yaml: no such file")
        result = await b.control.reload(source="test", by="test")

        assert ("refused", "c.yaml: no such file") == (result.outcome, result.message)


async def test_what_needs_a_restart_is_refused_whole() -> None:
    async with bench() as b:
        b.file = intent(service("v2"), digest="d2", workers=4)
        result = await b.control.reload(source="test", by="test")

        assert (True, [], "") == (result.message.startswith("workers: changed"), b.journal, b.position().candidate)


async def test_a_plan_that_a_worker_refuses_leaves_positions_and_history_as_they_were() -> None:
    async with bench() as b:
        b.workers.refusing = {0: "route 2: bad regex"}
        result = await b.target("v2")

        assert ("refused", "worker 0: route 2: bad regex", "d1", Phase.STABLE, 1) == (
            result.outcome,
            result.message,
            b.control.intent.digest,
            b.position().phase,
            len(b.store.revisions["shop"]),
        )


async def test_it_is_refused_while_no_worker_could_try_it() -> None:
    async with bench() as b:
        b.control.worker_down(0, "ended by SIGKILL", expected=False)
        result = await b.target("v2")

        assert "no worker is serving now, so none could try the new configuration; try again" == result.message


async def test_a_reload_does_not_move_a_running_rollout() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.after(6, b.cell("v2", ok=1))
        before = b.position()
        assert isinstance(b.file, Intent)
        b.file = replace(b.file, digest="d3")
        await b.control.reload(source="test", by="test")

        assert (before, 1) == (b.position(), before.step)


async def test_series_follow_the_configuration() -> None:
    async with bench() as b:
        b.file = intent(service("v1", "v1", "v3"), digest="d2")
        await b.control.reload(source="test", by="test")

        assert [("shop", "v1"), ("shop", "v3")] == list(b.control.totals.cells)


async def test_the_loop_goes_on_while_the_file_is_read() -> None:
    async with bench() as b:
        gate = threading.Event()
        b.control.reloading._load = lambda: (gate.wait(), intent(digest="d2"))[1]
        waiting = b.tasks.spawn(b.control.reload(source="test", by="test"), name="slow")
        await b.report(b.cell("v1", ok=3))
        counted, still = b.control.totals.cells["shop", "v1"].requests, not waiting.done()
        gate.set()

        assert ({200: 3}, True, "applied") == (counted, still, (await waiting).outcome)


async def test_who_asks_during_a_reading_is_answered_by_one_more() -> None:
    """The file may have changed after the first reading had begun."""
    async with bench() as b:
        gate = threading.Event()
        readings: list[str] = []

        def load() -> Intent:
            readings.append(f"d{len(readings) + 2}")
            gate.wait()
            return intent(digest=readings[-1])

        b.control.reloading._load = load
        first = b.tasks.spawn(b.control.reload(source="a", by="a"), name="first")
        await b.control.settled()
        others = [b.tasks.spawn(b.control.reload(source="b", by="b"), name=f"other {n}") for n in range(3)]
        await asyncio.sleep(0)
        await b.control.settled()
        gate.set()
        digests = [(await task).new_digest for task in (first, *others)]

        assert ["d2", "d3", "d3", "d3"] == digests


async def test_more_waiting_reloads_than_the_bound_are_turned_away() -> None:
    async with bench() as b:
        gate = threading.Event()
        b.control.reloading._load = lambda: (gate.wait(), intent())[1]
        tasks = [b.tasks.spawn(b.control.reload(source="a", by="a"), name=str(n)) for n in range(limits.RELOADS_WAITING_MAX + 1)]
        await asyncio.sleep(0)
        await b.control.settled()
        with pytest.raises(Unable, match="too many"):
            await b.control.reload(source="b", by="b")
        gate.set()

        assert {"unchanged"} == {(await task).outcome for task in tasks}


@pytest.mark.parametrize(
    ("source", "expected"), [("api", "configuration (user ada)"), ("file", "configuration"), ("HUP", "configuration")]
)
async def test_the_history_names_who_asked_for_the_reload_that_began_a_rollout(source: str, expected: str) -> None:
    async with bench() as b:
        b.file = intent(service("v2"), digest="d2")
        await b.control.reload(source=source, by="user ada")

        assert ("started", expected) == ((last := b.store.history("shop", 1)[0]).kind, last.by)


async def test_a_bug_in_a_reload_is_told_to_who_asked_and_ends_the_loop() -> None:
    async with bench() as b:
        b.may_fail = True

        async def broken(*_: object) -> None:
            raise AssertionError("a bug")

        b.control.reloading._decisions.adopt = broken  # type: ignore[method-assign]  # a bug, on purpose
        with pytest.raises(Unable, match="a bug"):
            await b.control.reload(source="a", by="a")
        await b.failed.wait()

        assert [AssertionError] == [type(error) for error in b.failures]
