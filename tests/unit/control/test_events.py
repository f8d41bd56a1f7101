"""The ring of recent events, and answers to who no longer waits."""

from __future__ import annotations

import asyncio

import pytest

from proxy import limits
from proxy.control.events import RecentEvent, RecentEvents, Unable, answer, fail


def test_events_are_told_and_kept_in_order() -> None:
    told: list[RecentEvent] = []
    events = RecentEvents(told.append)
    events.add(1.0, "a", "shop", "x", n=1)
    events.add(2.0, "b", "", "y")

    assert ([1, 2], told, {"n": 1}) == ([e.id for e in told], list(events.since()), told[0].figures)


def test_since_gives_what_is_newer() -> None:
    events = RecentEvents(lambda event: None)
    for n in range(5):
        events.add(float(n), "a", "", str(n))

    assert ["3", "4"] == [event.text for event in events.since(3)]


def test_the_ring_is_bounded() -> None:
    events = RecentEvents(lambda event: None)
    for n in range(limits.RECENT_EVENTS_MAX + 10):
        events.add(float(n), "a", "", str(n))

    assert (limits.RECENT_EVENTS_MAX, 11) == (len(events.since()), events.since()[0].id)


def test_a_full_disk_is_one_event_in_ten_seconds_and_not_ten_a_second() -> None:
    events = RecentEvents(lambda event: None)
    for at_s in (0.0, 0.1, 9.9, 10.1):
        events.add(at_s, "not_decided", "shop", "disk full")

    assert [0.0, 10.1] == [event.at_s for event in events.since()]


def test_what_repeats_is_told_once_beside_others_that_repeat() -> None:
    events = RecentEvents(lambda event: None)
    for tenth in range(100):
        for service in ("shop", "blog", ""):
            events.add(tenth / 10, "not_decided", service, "disk full")

    assert ["shop", "blog", ""] == [event.service for event in events.since()]


def test_a_worker_that_dies_again_is_another_event() -> None:
    events = RecentEvents(lambda event: None)
    for at_s in (0.0, 0.1):
        events.add(at_s, "worker_down", "", "worker 0 ended with exit code 1")

    assert 2 == len(events.since())


@pytest.mark.asyncio
async def test_who_has_gone_is_not_answered() -> None:
    reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    reply.cancel()
    answer(reply, 1)
    fail(reply, Unable("x"))

    assert reply.cancelled()
