"""A worker's life with a pretended data plane: orders in order, counts up, and what it does when nobody commands it any more."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import weakref
from pathlib import Path

import msgspec
import pytest

from proxy import limits
from proxy.supervisor import channel as ch
from proxy.supervisor.lock import Claim
from proxy.supervisor.worker import place_of, raise_descriptor_limit, settle
from tests.kit.pretended_plane import life, prepare, timer

pytestmark = pytest.mark.asyncio


async def test_it_says_hello_first(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        assert [ch.Hello] == [type(message) for message in await it.order()]


async def test_it_listens_after_the_first_commit_and_says_committed_when_it_accepts(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.order(prepare(1))
        before = list(it.journal)
        said = await it.order(ch.Commit(1))

        assert (["prepare 1"], [ch.Committed(1)]) == (before, said)
        assert ["prepare 1", "commit 1", "listen", "accept web", "settle"] == it.journal


async def test_it_listens_once(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        await it.order(prepare(2), ch.Commit(2))

        assert ["prepare 2", "commit 2"] == it.journal


async def test_a_plan_it_cannot_compile_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.plane.refuses = "route 3: bad regex"

        assert [ch.Refused(2, "route 3: bad regex")] == await it.order(prepare(2))


async def test_abandoning_and_reopening_reach_the_data_plane(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        await it.order(prepare(2), ch.Abandon(2), ch.ReopenLogs())

        assert ["prepare 2", "abandon 2", "reopen"] == it.journal


async def test_a_collect_is_answered_with_its_number(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        said = await it.order(ch.Collect(7))

        assert [7] == [message.answering for message in said if isinstance(message, ch.Report)]


async def test_a_collect_before_the_first_plan_is_left_unanswered(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.order()

        assert [] == await it.order(ch.Collect(7))


async def test_failures_of_a_candidate_are_one_urgent_report(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        for _ in range(50):
            it.worker.urgent()
        handle = it.worker._urgent
        assert handle is not None
        due_s = handle.when() - asyncio.get_running_loop().time()
        it.worker._send_urgent()

        assert (True, 1) == (due_s <= 0.02, len(await it.order()))


async def test_urgent_reports_keep_their_distance(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.worker._send_urgent()
        sent_at = it.worker._urgent_at
        it.worker.urgent()
        handle = it.worker._urgent
        assert handle is not None

        assert handle.when() >= sent_at + limits.URGENT_SNAPSHOT_GAP_S


async def test_a_supervisor_that_does_not_read_gets_no_more_counts_until_it_does(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.transport.owed = limits.CHANNEL_BACKLOG_BYTES_MAX
        it.worker._tick()
        it.worker._send_urgent()

        assert (0, []) == (it.plane.sequence, await it.order())


async def test_the_reporting_interval_is_the_plans(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.order(prepare(1, interval_s=60.0), ch.Commit(1))
        slow = timer(it)
        await it.order(prepare(2, interval_s=0.5), ch.Commit(2))

        assert (True, True) == (59 < slow <= 60, timer(it) <= 0.5)


async def test_drained_comes_after_the_last_counts_and_ends_it(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        said = await it.order(ch.Drain(1.5))

        assert ([ch.Report, ch.Drained], ["drain 1.5"]) == ([type(message) for message in said], it.journal)
        assert (3, True) == (said[-1].cut, it.worker.ended.is_set())  # type: ignore[attr-defined]  # it is Drained


async def test_a_worker_that_drains_takes_orders_still(tmp_path: Path) -> None:
    """A rollback decided during a drain waited for its end, and its worker was killed for not compiling the plan in time."""
    async with life(tmp_path) as it:
        await it.serving()
        it.plane.drained.clear()
        said = await it.order(ch.Drain(5.0), prepare(2), ch.Commit(2))
        it.plane.drained.set()
        await it.order()

        assert ([ch.Prepared(2), ch.Committed(2)], True) == (said, it.worker.ended.is_set())
        assert {"drain 5", "prepare 2", "commit 2"} == set(it.journal)


async def test_a_worker_that_drains_before_it_serves_does_not_begin_to_listen(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        it.plane.drained.clear()
        await it.order(prepare(1), ch.Drain(5.0), ch.Commit(1))

        assert "listen" not in it.journal
        it.plane.drained.set()
        await it.order()


async def test_a_worker_without_supervisor_goes_on_serving(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.transport.close()
        await it.order()

        assert ([], False) == (it.journal, it.worker.ended.is_set())


async def test_a_worker_that_serves_nothing_yet_ends_with_its_supervisor(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        it.transport.close()

        assert it.worker.ended.is_set()


@pytest.mark.parametrize(
    ("claim", "leaves"),
    [
        (Claim(pid=1, instance="other", serving=True), True),
        (Claim(pid=1, instance="other", serving=False), False),
        (Claim(pid=1, instance="mine", serving=True), False),
    ],
)
async def test_an_orphan_leaves_when_another_supervisor_serves(tmp_path: Path, claim: Claim, leaves: bool) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.lock.write_bytes(msgspec.json.encode(claim))
        it.transport.close()
        await it.order()

        assert (leaves, ["drain 2.5"] if leaves else []) == (it.worker.ended.is_set(), it.journal)


async def test_an_orphan_told_to_terminate_drains_and_ends(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        before = dict(it.signals)
        it.transport.close()
        it.signals[signal.SIGTERM]()
        await it.order()

        assert ({}, ["drain 2.5"], True) == (before, it.journal, it.worker.ended.is_set())


async def test_a_channel_that_breaks_during_a_drain_does_not_cut_it_short(tmp_path: Path) -> None:
    async with life(tmp_path) as it:
        await it.serving()
        it.plane.drained.clear()
        await it.order(ch.Drain(5.0))
        it.transport.close()
        await it.order()
        during = it.worker.ended.is_set()
        it.plane.drained.set()
        await it.order()

        assert (False, True) == (during, it.worker.ended.is_set())


async def test_a_place_is_read_from_the_command_line() -> None:
    ours, theirs = socket.socketpair()
    third = socket.socket()
    arguments = [f"--channel={theirs.fileno()}", "--slot=2", "--lock=/x/s.lock", "--instance=abc", "--drain-timeout=1.5"]
    place, channel = place_of([*arguments, f"--listener=web=1={third.fileno()}"])
    read = (place.slot, place.instance, place.drain_timeout_s, [(n, s.fileno()) for n, s in place.listeners], channel.fileno())

    assert (2, "abc", 1.5, [("web=1", third.fileno())], theirs.fileno()) == read
    for name_and_socket in place.listeners:
        name_and_socket[1].detach()
    channel.detach()
    for sock in (ours, theirs, third):
        sock.close()


async def test_a_worker_imports_none_of_the_control_planes_libraries() -> None:
    """They cost start-up time and memory in every worker."""
    assert "" == imported_beside("proxy.supervisor.worker")


def imported_beside(*modules: str) -> str:
    heavy = ("yaml", "pydantic", "aiohttp", "sqlite3", "click", "rich", "prometheus_client")
    code = f"import sys, {', '.join(modules)}; print(*sorted(set(sys.modules) & set({heavy!r})))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


async def test_a_worker_takes_as_many_descriptors_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda kind: (1024, 20_000))
    monkeypatch.setattr("resource.setrlimit", lambda kind, both: set_to.append(both))
    raise_descriptor_limit()

    assert [(20_000, 20_000)] == set_to


async def test_a_descriptor_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: int, both: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr("resource.getrlimit", lambda kind: (1024, -1))
    monkeypatch.setattr("resource.setrlimit", refuse)
    raise_descriptor_limit()


async def test_what_connections_leave_in_cycles_is_let_go_before_it_is_much() -> None:
    class Looped:
        def __init__(self) -> None:
            self.itself = self

    thresholds = gc.get_threshold()
    settle()
    first = weakref.ref(Looped())
    for _ in range(20_000):
        Looped()
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    assert first() is None
