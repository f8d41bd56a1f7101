"""The comparer, a real process, between a worker's way to it and the supervisor's handle on it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy import limits
from proxy.clock import SystemClock
from proxy.dataplane.comparing import Comparing
from proxy.dataplane.mirror import Count
from proxy.model.pair import Pair, Seen
from proxy.shadow.messages import Rules
from proxy.supervisor import comparison as kept
from proxy.supervisor.comparison import Comparison
from proxy.tasks import TaskGroup
from tests.kit.waiting import eventually

pytestmark = pytest.mark.asyncio


def seen(value: Any) -> Seen:
    body = json.dumps(value).encode()
    return Seen(200, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", body, len(body), 0.01)


def pair(original: Any, copy: Any) -> Pair:
    return Pair("shop", "v2", "r", "GET", "/", 1.0, seen(original), seen(copy))


def mode(path: str) -> int:
    return os.stat(path).st_mode & 0o777


def exists(path: str) -> bool:
    return os.path.exists(path)


class Both:
    """The two ends that others hold of the comparer."""

    def __init__(self, comparison: Comparison, way: Comparing, told: list[tuple[str, str]]) -> None:
        self.comparison = comparison
        self.told = told
        self.way = way
        self.count = Count("shop", "v2")

    def offer(self, *pairs: Pair) -> None:
        for one in pairs:
            self.way.offer(one, self.count)

    async def reached(self) -> None:
        """Until the worker's way leads there."""
        await eventually(lambda: self.way.connected, 20, "the comparer is reached")

    async def counted(self, pairs: int) -> dict[str, int]:
        await eventually(
            lambda: sum(self.count.results.values()) + sum(self.count.dropped.values()) == pairs, 20, "every pair is counted"
        )
        return self.count.results


@asynccontextmanager
async def both(state: Path) -> AsyncIterator[Both]:
    failures: list[BaseException] = []
    tasks = TaskGroup(lambda name, error: failures.append(error))
    told: list[tuple[str, str]] = []
    comparison = Comparison(state, SystemClock(), tasks, lambda kind, text: told.append((kind, text)))
    way = Comparing(asyncio.get_running_loop(), tasks)
    comparison.use({"shop": Rules("v2")})
    way.use(comparison.path)
    made = Both(comparison, way, told)
    try:
        await made.reached()
        yield made
    finally:
        way.close()
        await comparison.close()
        await tasks.close()
    assert failures == []


PRETENDED = """
import socket, sys, time
from proxy.shadow import messages
from proxy.supervisor import channel as ch
channel = socket.socket(fileno=int(sys.argv[2].partition("=")[2]))
channel.setblocking(True)
say = lambda message: channel.sendall(ch.frame(message))
"""
"""What goes before a pretended comparer's one line."""


@asynccontextmanager
async def pretended(state: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> AsyncIterator[list[tuple[str, str]]]:
    """What is told of a comparer that does just this."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(kept, "interpreter", lambda: [sys.executable, "-c", PRETENDED + line])
    monkeypatch.setattr(limits, "COMPARER_ANSWER_S", 0.1)  # it does not end when it is told to
    tasks = TaskGroup(lambda name, error: told.append((name, repr(error))))
    comparison = Comparison(state, SystemClock(), tasks, lambda kind, text: told.append((kind, text)))
    comparison.use({"shop": Rules("v2")})
    try:
        yield told
    finally:
        await comparison.close()
        await tasks.close()


async def test_pairs_are_compared_and_their_worker_is_told(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        made.offer(pair(1, 1), pair({"a": 1}, {"a": 2}), pair(1, 1))

        assert await made.counted(3) == {"match": 2, "mismatch": 1}


async def test_the_report_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        made.offer(*(pair({"a": 1}, {"a": 2}) for _ in range(3)))
        await made.counted(3)
        report = await made.comparison.report("shop")

    assert report is not None
    assert [report["word"], report["compared"], report["routes"][0]["paths"][0]["path"]] == ["different", 3, "$.a"]


async def test_what_is_not_compared_has_no_report(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        assert await made.comparison.report("other") is None


async def test_summaries_come_by_themselves(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        made.offer(pair({"a": 1}, {"a": 2}))
        await eventually(
            lambda: (s := made.comparison.summaries.get("shop")) is not None and s.compared == 1, 20, "a summary of the pair"
        )

        assert made.comparison.summaries["shop"].mismatch_rate == 1.0


async def test_a_comparer_that_is_killed_is_started_again_and_nothing_waits_for_it(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        pid = made.comparison.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        made.offer(pair(1, 1))
        os.kill(pid, signal.SIGKILL)
        assert (await made.counted(1), made.count.dropped) == ({}, {"comparer": 1})
        await made.reached()
        made.offer(pair(1, 1))

        assert (await made.counted(2), made.comparison.pid != pid) == ({"match": 1}, True)
    assert made.told == [("comparer_down", "the comparer ended by SIGKILL; pairs are dropped until there is another")]


async def test_a_comparer_that_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")  # and short, for what is too long for a socket is not tried
    async with pretended(tmp_path / "db", monkeypatch, "") as told:
        await eventually(lambda: told, 20, "it is told")

    assert (told[0][0], "cannot be started: [Errno 2] No such file or directory" in told[0][1]) == ("comparer_down", True)


async def test_a_comparer_that_ends_by_itself_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pretended(tmp_path / "db", monkeypatch, "sys.exit(3)") as told:
        await eventually(lambda: told, 20, "it is told")

    assert told[0] == ("comparer_down", "the comparer ended with exit code 3; pairs are dropped until there is another")


async def test_counts_that_cannot_be_written_are_told_once_and_so_is_the_end_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "[say(messages.Unkept(why)) for why in ('', 'db: no space', 'db: no space', '', '')]; time.sleep(60)"
    async with pretended(tmp_path / "db", monkeypatch, says) as told:
        await eventually(lambda: len(told) == 2, 20, "both are told")

    assert told == [
        ("comparisons_unkept", "the comparisons could not be written, and a restart would lose them: db: no space"),
        ("comparisons_kept", "the comparisons can be written again"),
    ]


async def test_counts_outlive_a_restart(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        made.offer(pair(1, 1))
        await made.counted(1)
    async with both(tmp_path / "db") as made:
        report = await made.comparison.report("shop")

    assert report is not None
    assert report["compared"] == 1


async def test_only_this_user_can_reach_the_comparer(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        path = made.comparison.path
        modes = mode(path), mode(os.path.dirname(path))

    assert modes == (0o600, 0o700)


async def test_a_directory_that_was_cleaned_away_is_made_again(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        pid = made.comparison.pid
        assert pid is not None
        shutil.rmtree(os.path.dirname(made.comparison.path))
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not made.way.connected, 20, "the comparer is gone")
        await made.reached()

        assert mode(os.path.dirname(made.comparison.path)) == 0o700


async def test_nothing_is_made_until_something_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    comparison = Comparison(tmp_path / "db", SystemClock(), TaskGroup(lambda name, error: None), lambda kind, text: None)
    comparison.use({})
    made = exists(os.path.dirname(comparison.path))
    await comparison.close()

    assert (os.path.dirname(os.path.dirname(comparison.path)), made) == (str(tmp_path), False)


async def test_nothing_is_left_when_it_ends(tmp_path: Path) -> None:
    async with both(tmp_path / "db") as made:
        path, pid = made.comparison.path, made.comparison.pid

    assert pid is not None
    assert [exists(os.path.dirname(path)), exists(f"/proc/{pid}")] == [False, False]
