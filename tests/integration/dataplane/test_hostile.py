"""What an attacker says over a real socket: answered once and closed, and nothing of it reaches the origin as a request of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import limits
from proxy.model.service import Timeouts
from tests.kit.live_plane import live_plane
from tests.kit.uv import on_uvloop

CORPUS = Path(__file__).parents[2] / "conformance" / "framing" / "cases" / "requests.yaml"
CASES: list[dict[str, Any]] = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

SMUGGLING = {
    "length-and-chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked-and-length": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two-lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
    "list-of-lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 35\r\n\r\n" + SMUGGLED,
    "signed-length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n" + SMUGGLED,
    "space-before-colon": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "vertical-tab-coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding-twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding-with-a-comma": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding-folded": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding-on-1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "bare-lf": b"GET / HTTP/1.1\r\nHost: a\nContent-Length: 35\r\n\r\n" + SMUGGLED,
    "bare-cr": b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n" + SMUGGLED,
    "nul-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\0: 35\r\n\r\n" + SMUGGLED,
    "two-hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
    "space-in-target": b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
}

LATER = {  # the head is good, so the request begins; its body is broken, and what follows is no request
    "chunk-size-hex-prefix": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" + SMUGGLED,
    "chunk-size-negative": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n" + SMUGGLED,
    "chunk-size-overflow": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n" + SMUGGLED,
    "chunk-lf-extension": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;\nxx\r\nabc\r\n0\r\n\r\n" + SMUGGLED,
    "chunk-without-crlf": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n" + SMUGGLED,
    "chunk-ends-in-lf": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("name", SMUGGLING)
@on_uvloop
async def test_a_smuggling_attempt_is_refused_and_no_byte_reaches_the_origin(name: str) -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(SMUGGLING[name])
        heard = await client.hears()

        assert (True, 1, []) == (heard[9:12] in (b"400", b"501"), heard.count(b"HTTP/1.1 "), live.origin.sides), heard


@pytest.mark.parametrize("name", LATER)
@on_uvloop
async def test_a_broken_body_hides_no_request_and_is_never_ended_as_if_it_were_whole(name: str) -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(LATER[name])
        heard = await client.hears()
        await live.until(lambda: all(side.ended or not side.received for side in live.origin.sides), "what was begun is broken off")

        assert (b"HTTP/1.1 400", 1, []) == (heard[:12], heard.count(b"HTTP/1.1 "), live.origin.requests), heard
        assert [] == [unread for unread in live.origin.unread if b"/smuggled" in unread]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
@on_uvloop
async def test_the_origin_sees_what_the_corpus_says(case: dict[str, Any]) -> None:
    async with live_plane() as live:
        client = await live.client()
        await client.says(case["say"].encode("latin-1"))
        if case.get("ends"):
            client.stops_sending()
        wanted = case.get("origin", [])
        await live.until(lambda: len(live.origin.requests) == len(wanted), f"{wanted}, not {live.origin.firsts}")
        if case["closed"]:
            await client.hears()

        seen = [f"{m.first}|{m.body.decode('latin-1')}" if m.body else m.first for m in live.origin.requests]
        assert wanted == seen


@on_uvloop
async def test_an_oversized_head_is_431_whether_it_ends_or_not() -> None:
    async with live_plane() as live:
        answers = []
        for end in (b"\r\n\r\n", b""):
            client = await live.client()
            await client.says(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * limits.HEAD_BYTES_MAX + end)
            answers.append((await client.hears())[:12])

        assert ([b"HTTP/1.1 431"] * 2, []) == (answers, live.origin.sides)


@on_uvloop
async def test_too_many_fields_are_431_and_a_long_target_is_414() -> None:
    async with live_plane() as live:
        answers = []
        for head in (
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * limits.HEADER_FIELDS_MAX,
            b"GET /" + b"x" * limits.TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n",
        ):
            client = await live.client()
            await client.says(head + b"\r\n")
            answers.append((await client.hears())[:12])

        assert ([b"HTTP/1.1 431", b"HTTP/1.1 414"], []) == (answers, live.origin.sides)


@on_uvloop
async def test_a_head_that_comes_byte_by_byte_is_408_however_busy_it_looks() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HEAD_TIMEOUT_S", 0.3)
        async with live_plane() as live:
            client = await live.client()
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()

            def one_more() -> None:
                if not ended.is_set():
                    try:
                        client.sock.send(b"x")
                    except OSError:
                        return
                    loop.call_later(0.02, one_more)

            await client.says(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            one_more()
            heard = await client.hears_until(b"\r\n\r\n")
            ended.set()

            assert (b"HTTP/1.1 408", []) == (heard[:12], live.origin.sides)


@on_uvloop
async def test_a_connection_on_which_nothing_is_said_is_closed_without_a_word() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HEAD_TIMEOUT_S", 0.3)
        async with live_plane() as live:
            client = await live.client()
            heard = await client.hears()

            assert b"" == heard


@on_uvloop
async def test_a_body_that_stalls_is_408_and_charged_to_nobody() -> None:
    async with live_plane(timeouts=Timeouts(idle_s=0.2)) as live:
        client = await live.client()
        await client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        heard = await client.hears()

        assert (b"HTTP/1.1 408", {"408": 1}, []) == (heard[:12], live.codes(), live.origin.requests)


@on_uvloop
async def test_a_flood_of_pipelined_requests_waits_in_the_client_s_kernel_not_in_the_proxy() -> None:
    async with live_plane() as live:
        live.origin.answer = lambda _side, _request: None
        client = await live.client()
        flood = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000
        sent, blocked = 0, 0
        while blocked < 20:  # turns of the loop in a row in which not a byte could be sent
            try:
                sent += client.sock.send(flood)
                blocked = 0
            except BlockingIOError:
                blocked += 1
            await asyncio.sleep(0)
            assert sent < 32 * 1024 * 1024, "nobody held the client back"

        assert 1 == len(live.origin.requests)
