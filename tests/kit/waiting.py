"""Waiting for a condition, with a bound. Nothing in the tests waits for time to pass instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from proxy.clock import SystemClock

CLOCK = SystemClock()
POLL_S = 0.01

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float, what: str | Callable[[], str]) -> T:
    """The first value of ``condition`` that counts as true; an AssertionError naming ``what`` when none came within ``seconds``."""
    ends = CLOCK.now() + seconds
    while not (value := condition()):
        if CLOCK.now() > ends:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(POLL_S)
    return value


async def eventually(condition: Callable[[], T], seconds: float, what: str | Callable[[], str]) -> T:
    """``until`` for a running loop."""
    ends = CLOCK.now() + seconds
    while not (value := condition()):
        if CLOCK.now() > ends:
            raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(POLL_S)
    return value


def for_a_while(condition: Callable[[], bool], seconds: float, what: str | Callable[[], str]) -> None:
    """``condition`` holds for ``seconds``, looked at all the time; an AssertionError naming ``what`` the moment it does not."""
    ends = CLOCK.now() + seconds
    while CLOCK.now() < ends:
        assert condition(), what if isinstance(what, str) else what()
        time.sleep(POLL_S)


async def steady(value: Callable[[], T], seconds: float, bound_s: float, what: str) -> T:
    """The value once it has not changed for ``seconds``: nothing else says that a flow has stopped. Fails after ``bound_s``."""
    ends = CLOCK.now() + bound_s
    last, since = value(), CLOCK.now()
    while CLOCK.now() - since < seconds:
        assert CLOCK.now() < ends, f"not steady within {bound_s:g} s: {what}"
        await asyncio.sleep(POLL_S)
        if (now := value()) != last:
            last, since = now, CLOCK.now()
    return last
