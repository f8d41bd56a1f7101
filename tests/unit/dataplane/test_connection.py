"""A client connection: what the proxy itself says on it, and how it ends after that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.model.intent import AccessLog
from tests.kit.conversation import Conversation, plan

pytestmark = pytest.mark.asyncio


async def test_after_a_refusal_the_connection_lingers_and_then_ends() -> None:
    """Rule 36: a reset would take the answer away from a client that is still sending."""
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    assert talk.client.transport.eof_written
    assert not talk.client.transport.closing
    await talk.client.says(b"x" * 1000)
    await talk.pass_time(limits.LINGER_S + 1)

    assert talk.client.transport.closing
    await talk.end()


async def test_a_lingering_connection_swallows_a_bounded_amount() -> None:
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    for _ in range(17):
        await talk.client.says(b"x" * (limits.LINGER_BYTES_MAX // 16))

    assert talk.client.transport.aborted
    await talk.end()


async def test_problem_json_for_a_client_that_accepts_json() -> None:
    """RFC 9457."""
    talk = Conversation()
    talk.loop.refuse = lambda host, port: ConnectionRefusedError()
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n")
    heard = talk.client.heard()

    assert b"Content-Type: application/problem+json" in heard
    assert b"127.0.0.1" not in heard
    await talk.end()


async def test_an_own_answer_to_head_has_no_body() -> None:
    """Rule 33."""
    talk = Conversation()
    talk.loop.refuse = lambda host, port: ConnectionRefusedError()
    await talk.client.says(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert talk.client.heard().endswith(b"\r\n\r\n")
    await talk.end()


async def test_a_route_less_request_with_a_body_is_answered_and_closed() -> None:
    """Rule 25: no byte of the body may be read as the next request."""
    talk = Conversation()
    await talk.client.says(
        b"POST / HTTP/1.1\r\nHost: a\r\nVia: 1.1 %b\r\nContent-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        % talk.plane.pseudonym
    )

    assert 1 == talk.client.heard().count(b"HTTP/1.1 ")
    assert b"" == talk.origin_heard()
    await talk.end()


@pytest.mark.parametrize("said", [b"HEAD / HTTP/1.1\r\n\r\n", b"\r\nHEAD / HTTP/1.1\r\nHost: a b\r\n\r\n"])
async def test_a_head_request_that_is_refused_gets_no_body(said: bytes) -> None:
    """Rule 33: whatever else is wrong with it, its client reads none."""
    talk = Conversation()
    await talk.client.says(said)
    heard = talk.client.heard()

    assert (b"HTTP/1.1 400 ", b"\r\n\r\n") == (heard[:13], heard[-4:])
    await talk.end()


async def logged(path: Path, said: bytes, wait_s: float = 0.0) -> dict[str, Any]:
    """The one line of the access log that follows."""
    talk = Conversation(msgspec.structs.replace(plan(), access_log=AccessLog(str(path))))
    await talk.client.says(said)
    await talk.pass_time(wait_s)
    await talk.end()
    line: dict[str, Any] = json.loads(path.read_bytes())  # noqa: ASYNC240  # a short file that is closed
    return line


async def test_a_request_that_cannot_be_read_is_logged_with_why_and_nothing_of_itself(tmp_path: Path) -> None:
    line = await logged(tmp_path / "log", b"GET /s3cret HTTP/1.1\r\nHost: a b\r\n\r\n")

    assert ("192.0.2.7", "", "", "", 400, "malformed") == tuple(line[k] for k in ("client", "method", "path", "service", "code", "own"))
    assert line["reason"]
    assert "s3cret" not in str(line)


async def test_a_head_that_does_not_end_is_logged_with_the_time_it_was_waited_for(tmp_path: Path) -> None:
    line = await logged(tmp_path / "log", b"GET / HTTP/1.1\r\n", limits.HEAD_TIMEOUT_S + 1)

    assert (408, "too_slow") == (line["code"], line["own"])
    assert line["duration_ms"] == limits.HEAD_TIMEOUT_S * 1000


async def test_a_body_that_stalls_is_logged_with_why(tmp_path: Path) -> None:
    line = await logged(tmp_path / "log", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", 61)

    assert ("v1", 408, "too_slow") == (line["version"], line["code"], line["own"])


async def test_a_body_that_only_the_end_of_the_connection_delimits_is_cut_short_by_a_reset() -> None:
    """Rule 34: to a client of HTTP/1.0 any other end would say that what it has is all of it."""
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n")
    await talk.origin_ends()

    assert talk.client.heard().endswith(b"\r\n\r\nhalf ")
    assert talk.client.transport.reset
    await talk.end()


async def test_a_client_that_reads_nothing_is_told_by_a_reset_that_it_did_not_get_all() -> None:
    """Rule 34: what waits for it in the kernel would still reach it, and then look whole."""
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n")
    talk.client.protocol.pause_writing()
    await talk.pass_time(limits.IDLE_TIMEOUT_S + 1)

    assert talk.client.transport.reset
    await talk.end()


async def test_an_answer_that_ended_well_is_followed_by_no_reset() -> None:
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n")

    assert talk.client.transport.closing
    assert not talk.client.transport.reset
    await talk.end()
