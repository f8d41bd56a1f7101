"""Tasks have an owner, their failures are seen, and none is left behind."""

from __future__ import annotations

import asyncio

import pytest

from proxy.tasks import TaskGroup

pytestmark = pytest.mark.asyncio


async def test_a_failure_is_handed_over_with_the_tasks_name() -> None:
    seen: list[tuple[str, str]] = []
    group = TaskGroup(lambda name, error: seen.append((name, str(error))))

    async def fail() -> None:
        raise ValueError("no")

    task = group.spawn(fail(), name="job")
    await asyncio.wait([task])

    assert [("job", "no")] == seen


async def test_closing_cancels_what_runs_and_waits_for_its_end() -> None:
    seen: list[str] = []
    group = TaskGroup(lambda name, error: seen.append(name))
    ended: list[str] = []

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("run")

    group.spawn(run(), name="run")
    await asyncio.sleep(0)
    await group.close()

    assert (["run"], [], 0) == (ended, seen, len(group))


async def test_a_task_that_ended_is_let_go() -> None:
    group = TaskGroup(lambda name, error: None)

    async def nothing() -> None:
        return

    task = group.spawn(nothing(), name="nothing")
    await task
    await asyncio.sleep(0)

    assert len(group) == 0
