"""The demo's users against a real origin in the same loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from proxy.cli.demo.clients import Crowd, Ledger, Record
from proxy.cli.demo.origin import Connection, Service
from proxy.tasks import TaskGroup


async def until(holds: Callable[[], bool]) -> None:
    """Give the loop turns until it holds; the caller bounds the time."""
    while not holds():  # noqa: ASYNC110  # the records are another task's, and it has no event for this
        await asyncio.sleep(0)


async def talk(service: Service, requests: int, *, rest: bool = False) -> Ledger:
    """A crowd of 20 at 400 requests/s until that many records are in."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0)
    ledger = Ledger()
    failures: list[str] = []
    group = TaskGroup(lambda name, error: failures.append(f"{name}: {error!r}"))
    crowd = Crowd(server.sockets[0].getsockname()[1], 20, 400.0, ledger)
    crowd.start(group)
    async with asyncio.timeout(20):
        await until(lambda: ledger.total >= requests)
        if rest:
            await crowd.rest()
    await group.close()
    server.close()
    await server.wait_closed()
    assert [] == failures
    return ledger


def service(bad_after_s: float | None = None) -> Service:
    return Service("v1", bad_after_s, random.Random(1))


def test_every_answer_is_written_down_with_its_version() -> None:
    ledger = asyncio.run(talk(service(), 60))

    assert {"v1"} == set(ledger.split(0.0))


def test_every_user_is_heard() -> None:
    ledger = asyncio.run(talk(service(), 100))

    assert set(range(20)) == set(ledger.last_versions())


def test_a_bad_answer_is_a_bad_record() -> None:
    ledger = asyncio.run(talk(service(bad_after_s=0.0), 40))

    assert all(record.bad and record.status == 500 for record in ledger.since(0.0))


def test_at_rest_the_users_have_counted_what_the_service_served() -> None:
    origin = service()

    ledger = asyncio.run(talk(origin, 60, rest=True))

    assert origin.served == ledger.total


def test_users_can_be_sent_away_at_any_moment() -> None:
    """A user that lost its cancellation was waited for without end: the demo hung on one interrupt in fifty."""

    async def close_again_and_again() -> list[int]:
        server = await asyncio.get_running_loop().create_server(lambda: Connection(service()), "127.0.0.1", 0)
        left = []
        for enough in range(1, 16):
            ledger = Ledger()
            group = TaskGroup(lambda name, error: None)
            Crowd(server.sockets[0].getsockname()[1], 50, 4000.0, ledger).start(group)
            async with asyncio.timeout(10):
                await until(lambda ledger=ledger, enough=enough: ledger.total >= 10 * enough)
                await group.close()
            left.append(len(group))
        server.close()
        await server.wait_closed()
        return left

    assert [0] * 15 == asyncio.run(close_again_and_again())


def test_no_answer_is_a_bad_record_of_no_version() -> None:
    async def refused() -> Ledger:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        ledger = Ledger()
        group = TaskGroup(lambda name, error: None)
        Crowd(port, 2, 200.0, ledger).start(group)
        async with asyncio.timeout(10):
            await until(lambda: ledger.total > 0)
        await group.close()
        return ledger

    record = next(asyncio.run(refused()).since(0.0))
    assert (0, "", True) == (record.status, record.version, record.bad)


def test_a_header_that_contradicts_the_body_is_a_disagreement() -> None:
    ledger = Ledger()
    ledger.add(Record(1, 0.0, 0.1, 200, "v1", "v1"))
    ledger.add(Record(1, 0.0, 0.1, 200, "v1", "v2"))

    assert 1 == ledger.disagreements()
