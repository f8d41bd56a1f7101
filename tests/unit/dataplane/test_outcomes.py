"""Every outcome of a request, once each and some together: the access log and the counters say the same, exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.model.intent import AccessLog
from proxy.model.service import Endpoint, EndpointLimits, Health, Retries, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 500 No\r\nDate: x\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"
VERSIONS = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _no_check_of_health_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_FIRST_S", 3600.0)


Story = Callable[[Conversation], Awaitable[None]]


async def _good(talk: Conversation) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK)


async def _status(talk: Conversation) -> None:
    await talk.client.says(PUT)
    await talk.origin_says(BAD)


async def _fallback(talk: Conversation) -> None:
    await talk.client.says(GET)
    await talk.origin_says(BAD)
    await talk.origin_says(OK)


async def _retried(talk: Conversation) -> None:
    await talk.client.says(PUT)
    await talk.origin_ends()
    await talk.origin_says(OK)


async def _reset(talk: Conversation) -> None:
    await talk.client.says(PUT)
    await talk.origin_ends()
    await talk.origin_ends()


async def _cut(talk: Conversation) -> None:
    await talk.client.says(GET)
    await talk.origin_says(CUT)
    await talk.origin_ends()


async def _protocol(talk: Conversation) -> None:
    await talk.client.says(PUT)
    await talk.origin_says(b"nonsense\r\n\r\n")


async def _timeout(talk: Conversation) -> None:
    await talk.client.says(PUT)
    await talk.pass_time(31)


async def _connect(talk: Conversation) -> None:
    talk.loop.refuse = lambda host, port: ConnectionRefusedError()
    await talk.client.says(PUT)


async def _gone(talk: Conversation) -> None:
    await talk.client.says(GET)
    await talk.client.leaves(ConnectionResetError())


async def _stalled_upload(talk: Conversation) -> None:
    await talk.client.says(PUT[:-1])
    await talk.pass_time(61)


async def _no_endpoint(talk: Conversation) -> None:
    pool = talk.plane.table.splits["shop"].legs[1].pools[0]
    pool._checked(False)
    await talk.client.says(PUT)
    pool._checked(True)


async def _limited(talk: Conversation) -> None:
    clients = [talk.another_client() for _ in range(3)]
    for client in clients:
        await client.says(PUT)
    for origin in [origin for origin in talk.loop.origins if origin.protocol.exchange is not None]:
        origin.protocol.data_received(OK)


OUTCOMES: dict[str, tuple[Story, dict[tuple[str, int, str | None], int]]] = {
    "good": (_good, {("v2", 200, None): 1}),
    "a status": (_status, {("v2", 500, "status_5xx"): 1}),
    "a fallback": (_fallback, {("v2", 500, "status_5xx"): 1, ("v1", 200, None): 1}),
    "a retry that helped": (_retried, {("v2", 200, None): 1}),
    "a retry that did not": (_reset, {("v2", 502, "reset"): 1}),
    "an answer cut short": (_cut, {("v2", 200, "reset"): 1}),
    "no HTTP": (_protocol, {("v2", 502, "protocol"): 1}),
    "no answer": (_timeout, {("v2", 504, "timeout"): 1}),
    "no connection": (_connect, {("v2", 502, "connect"): 1}),
    "a client gone": (_gone, {("v2", 499, None): 1}),
    "no endpoint": (_no_endpoint, {("v2", 503, "no_endpoint"): 1}),
    "our own limit": (_limited, {("v2", 200, None): 2, ("v2", 503, None): 1}),
    "an upload that stalls": (_stalled_upload, {("v2", 408, None): 1}),
}


def conversation(log: Path) -> Conversation:
    """All traffic goes to the candidate v2; stable v1 answers what it fails, where that is safe."""
    the_plan = plan(
        versions=VERSIONS,
        weights=(0.0, 1.0),
        stable="v1",
        candidate="v2",
        rollout=7,
        fallback=True,
        retries=Retries(1, ("reset",)),
        health=Health("/healthz", interval_s=3600.0),
        limits=EndpointLimits(max_requests=2),
    )
    return Conversation(msgspec.structs.replace(the_plan, access_log=AccessLog(str(log))))


async def told(talk: Conversation, log: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of the log, and what was counted by version, once everything has ended."""
    counts: dict[str, Any] = dict(talk.counts())
    await talk.end()
    return [json.loads(line) for line in log.read_bytes().splitlines()], counts  # noqa: ASYNC240  # a short file that is closed


@pytest.mark.parametrize("name", OUTCOMES)
async def test_an_outcome_is_logged_once_for_each_version_that_was_asked(name: str, tmp_path: Path) -> None:
    story, expected = OUTCOMES[name]
    talk = conversation(tmp_path / "log")
    await story(talk)
    lines, _ = await told(talk, tmp_path / "log")

    assert expected == Counter((line["version"], line["code"], line.get("cause")) for line in lines)


@pytest.mark.parametrize("name", [*OUTCOMES, "all of them"])
async def test_the_access_log_and_the_counters_agree(name: str, tmp_path: Path) -> None:
    talk = conversation(tmp_path / "log")
    for story in [story for story, _ in OUTCOMES.values()] if name == "all of them" else [OUTCOMES[name][0]]:
        talk.client = talk.another_client()
        await story(talk)
        talk.loop.refuse = lambda host, port: None
    lines, counts = await told(talk, tmp_path / "log")

    for version in ("v1", "v2"):
        own = [line for line in lines if line["version"] == version]
        cell = counts.get(version)
        assert Counter(line["code"] for line in own) == (cell.requests if cell else {})
        assert Counter(line["cause"] for line in own if "cause" in line) == (cell.failures if cell else {})
        assert sum(line.get("retries", 0) for line in own) == (cell.retries if cell else 0)
        assert sum(line.get("limited", False) for line in own) == (cell.limited if cell else 0)
        assert sum("answered_by" in line for line in own) == (cell.fallbacks if cell else 0)
        assert sum("own" not in line for line in own) == (sum(cell.latency.values()) if cell else 0)
        assert (cell.in_flight if cell else 0) == 0


async def test_both_lines_of_a_fallback_bear_the_same_request_id(tmp_path: Path) -> None:
    talk = conversation(tmp_path / "log")
    await _fallback(talk)
    lines, _ = await told(talk, tmp_path / "log")

    assert 1 == len({line["request_id"] for line in lines})
    assert ["v1", None] == [line.get("answered_by") for line in lines]
