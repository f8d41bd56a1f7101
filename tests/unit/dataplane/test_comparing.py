"""The way to the comparer."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.comparing import Comparing
from proxy.dataplane.mirror import Count
from proxy.model.pair import Pair, Seen
from proxy.tasks import TaskGroup
from tests.kit.conversation import FakeTransport

PAIR = Pair("shop", "v2", "r", "GET", "/", 1.0, Seen(200), Seen(200))

pytestmark = pytest.mark.asyncio


def never(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


class Way:
    """A connected way, and the far end of it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.comparing = Comparing(loop, TaskGroup(never))
        self.far = FakeTransport(loop, self.comparing)
        self.comparing.connection_made(self.far)  # type: ignore[arg-type]  # looks like one
        self.count = Count("shop", "v2")

    def counted(self) -> tuple[dict[str, int], dict[str, int]]:
        return self.count.results, self.count.dropped


async def test_a_pair_is_a_frame() -> None:
    way = Way()
    way.comparing.offer(PAIR, way.count)
    written: Any = bytes(way.far.written)

    assert (int.from_bytes(written[:4], "big"), msgspec.msgpack.decode(written[4:], type=Pair)) == (len(written) - 4, PAIR)


async def test_the_answers_come_in_the_order_of_the_pairs() -> None:
    way = Way()
    for _ in range(3):
        way.comparing.offer(PAIR, way.count)
    way.comparing.data_received(b"=!=")

    assert way.counted() == ({"match": 2, "mismatch": 1}, {})


async def test_a_pair_whose_result_is_known_is_sent_and_not_counted_again() -> None:
    way = Way()
    way.comparing.offer(PAIR, None)
    way.comparing.offer(PAIR, way.count)
    way.comparing.data_received(b"!=")

    assert way.counted() == ({"match": 1}, {})


async def test_without_a_connection_a_pair_is_dropped() -> None:
    comparing, count = Comparing(asyncio.get_running_loop(), TaskGroup(never)), Count("shop", "v2")
    comparing.offer(PAIR, count)

    assert count.dropped == {"comparer": 1}


async def test_pairs_without_an_answer_are_bounded() -> None:
    way = Way()
    for _ in range(limits.COMPARING_PAIRS_MAX + 2):
        way.comparing.offer(PAIR, way.count)

    assert way.counted() == ({}, {"comparer": 2})


async def test_bytes_that_are_not_read_are_bounded() -> None:
    way = Way()
    way.far.unsent = limits.COMPARING_BACKLOG_BYTES_MAX
    way.comparing.offer(PAIR, way.count)

    assert way.counted() == ({}, {"comparer": 1})


async def test_pairs_that_were_not_answered_when_the_comparer_ended_are_dropped() -> None:
    way = Way()
    for _ in range(3):
        way.comparing.offer(PAIR, way.count)
    way.comparing.data_received(b"=")
    way.comparing.close()

    assert way.counted() == ({"match": 1}, {"comparer": 2})
