"""Events as server-sent events, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from proxy import limits
from proxy.admin.access import Gate
from proxy.admin.app import build
from proxy.model.intent import Admin
from tests.kit.control_bench import Bench, bench

pytestmark = pytest.mark.asyncio

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def api(b: Bench) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build(b.control, Gate(Admin(), None)))) as client:
        yield client


async def one(response: ClientResponse) -> dict[str, str]:
    """The next event's fields."""
    fields = {}
    while line := (await response.content.readline()).decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields


async def kinds(response: ClientResponse, count: int) -> list[str]:
    return [(await one(response))["event"] for _ in range(count)]


async def test_what_happened_and_what_happens_is_told() -> None:
    async with bench() as b, api(b) as client, client.get("/api/v1/events") as response:
        before = [event.kind for event in b.control.events.since()]
        assert await kinds(response, len(before)) == before

        await b.control.command("shop", "start", by="local", to="v2")
        told = await one(response)
        data: dict[str, Any] = json.loads(told["data"])

    assert (response.content_type, told["event"], data["service"], int(told["id"])) == (
        "text/event-stream",
        "started",
        "shop",
        data["id"],
    )


async def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    async with bench() as b, api(b) as client:
        await b.control.command("shop", "start", by="local", to="v2")
        last = b.control.events.since()[-1]
        async with client.get("/api/v1/events", headers={"Last-Event-ID": str(last.id - 1)}) as response:
            told = await one(response)

    assert told["id"] == str(last.id)


async def test_a_reader_that_comes_back_to_a_fresh_process_is_told_all_of_it() -> None:
    async with bench() as b, api(b) as client:
        first = b.control.events.since()[0]
        async with client.get("/api/v1/events", headers={"Last-Event-ID": str(b.control.events.newest + 500)}) as response:
            told = await asyncio.wait_for(one(response), 10)

    assert told["id"] == str(first.id)


@pytest.mark.parametrize("last", ["x", "-1", "9" * 20])
async def test_an_id_that_is_no_number_is_refused(last: str) -> None:
    async with bench() as b, api(b) as client, client.get("/api/v1/events", headers={"Last-Event-ID": last}) as response:
        assert (response.status, (await response.json(content_type=None))["detail"]) == (
            400,
            "Last-Event-ID is the id of an event, a number",
        )


async def test_readers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENT_STREAMS_MAX", 1)
    async with bench() as b, api(b) as client, client.get("/api/v1/events") as first:
        await one(first)
        async with client.get("/api/v1/events") as second:
            assert second.status == 503
