"""Health checks: what is asked, which answers are healthy, and when an endpoint changes sides."""

from __future__ import annotations

import asyncio

import pytest

from proxy.dataplane.health import KNOCK, Checker, Knocking, Open, Probe
from proxy.model.service import Health
from tests.kit.conversation import FakeTransport, settle

pytestmark = pytest.mark.asyncio


def checker(open_: Open, changes: list[bool] | None = None, **plan: float) -> Checker:
    told = changes if changes is not None else []
    return Checker(Health("/healthz", **plan), b"Host: a:1", open_, told.append, asyncio.Semaphore(1))  # type: ignore[arg-type]  # numbers


def answering(pieces: list[bytes], transports: list[FakeTransport]) -> Open:
    async def open_(factory: object) -> None:
        probe = factory()  # type: ignore[operator]  # makes a Probe
        assert isinstance(probe, Probe)
        transport = FakeTransport(asyncio.get_running_loop(), probe)
        transports.append(transport)
        probe.connection_made(transport)  # type: ignore[arg-type]  # pretended
        for piece in pieces:
            probe.data_received(piece)
        if not pieces:
            probe.connection_lost(None)

    return open_


@pytest.mark.parametrize(
    ("pieces", "healthy"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n"], True),
        ([b"HTTP/1.1 204 No\r", b"\n\r\n"], True),
        ([b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"], True),
        ([b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"], True),
        ([b"HTTP/1.1 404 No\r\n\r\n"], False),
        ([b"HTTP/1.1 503 No\r\n\r\n"], False),
        ([b"nonsense\r\n\r\n"], False),
        ([b"x" * 70_000], False),
        ([], False),
    ],
)
async def test_2xx_and_3xx_are_healthy_and_nothing_else(pieces: list[bytes], healthy: bool) -> None:
    transports: list[FakeTransport] = []

    assert healthy == await checker(answering(pieces, transports)).check()
    assert transports[0].closing
    assert transports[0].written.startswith(b"GET /healthz HTTP/1.1\r\nHost: a:1\r\n")
    await settle()


async def test_an_endpoint_that_refuses_is_not_healthy() -> None:
    async def refuse(_factory: object) -> None:
        raise ConnectionRefusedError

    assert not await checker(refuse).check()


async def test_an_endpoint_that_says_nothing_in_time_is_not_healthy() -> None:
    transports: list[FakeTransport] = []

    assert not await checker(answering([b"HTTP/1.1 2"], transports), timeout_s=0.001).check()
    await settle()


async def test_it_takes_so_many_answers_in_a_row_to_change_sides() -> None:
    changes: list[bool] = []
    check = checker(answering([], []), changes, unhealthy_after=2, healthy_after=3)
    for healthy in (False, True, False, False, True, True, False, True, True, True):
        check.heard(healthy)

    assert [False, True] == changes


@pytest.mark.parametrize(("answers", "settled"), [([True], True), ([False], False), ([False, False], True), ([False, True], True)])
async def test_what_it_counts_as_is_settled_when_answers_bear_it_out_or_change_it(answers: list[bool], settled: bool) -> None:
    checked = checker(answering([], []), unhealthy_after=2)
    for answer in answers:
        checked.heard(answer)

    assert settled is checked.settled


async def test_a_knock_is_a_connection_on_which_nothing_is_said() -> None:
    transports: list[FakeTransport] = []

    async def open_(factory: object) -> None:
        knocking = factory()  # type: ignore[operator]  # makes a Knocking
        assert isinstance(knocking, Knocking)
        transports.append(FakeTransport(asyncio.get_running_loop(), knocking))
        knocking.connection_made(transports[0])  # type: ignore[arg-type]  # pretended

    assert await Checker(KNOCK, b"Host: a:1", open_, lambda _: None, asyncio.Semaphore(1)).check()
    assert (b"", True) == (bytes(transports[0].written), transports[0].aborted)


async def test_nobody_at_the_door_is_not_healthy() -> None:
    async def open_(_: object) -> None:
        raise ConnectionRefusedError

    assert not await Checker(KNOCK, b"Host: a:1", open_, lambda _: None, asyncio.Semaphore(1)).check()
