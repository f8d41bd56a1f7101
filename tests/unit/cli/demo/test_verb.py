"""A signal ends the demo, whenever it comes."""

from __future__ import annotations

import asyncio
import signal

from proxy.cli.demo.verb import Stop


async def _sleeper(stop: Stop, *, early: bool) -> str:
    task = asyncio.current_task()
    assert task is not None
    if early:
        stop(signal.SIGINT, None)
    stop.cancels(asyncio.get_running_loop(), task)
    if not early:
        stop(signal.SIGTERM, None)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "cancelled"
    return "never"


def test_a_signal_cancels_the_story() -> None:
    assert "cancelled" == asyncio.run(asyncio.wait_for(_sleeper(Stop(), early=False), 5))


def test_a_signal_before_the_story_began_cancels_it_too() -> None:
    assert "cancelled" == asyncio.run(asyncio.wait_for(_sleeper(Stop(), early=True), 5))
