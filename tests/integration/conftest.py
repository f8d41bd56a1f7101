"""What every integration test is held to: asyncio's debug mode, and no task left when the test and its fixtures have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio


@pytest_asyncio.fixture(autouse=True)
async def _no_task_is_left() -> AsyncIterator[None]:
    asyncio.get_running_loop().set_debug(True)
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}

    assert set() == {task.get_name() for task in left}
