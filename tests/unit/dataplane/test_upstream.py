"""The origin's connection: what it may not do, and when it ends. What its answers become is ``tests/conformance/framing``."""

from __future__ import annotations

import pytest

from proxy import limits
from tests.kit.conversation import Conversation

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


async def test_an_endless_head_is_a_protocol_failure() -> None:
    """Rule 34: bounded."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * limits.HEAD_BYTES_MAX)

    assert {"protocol": 1} == talk.counts()["v1"].failures
    assert talk.origin().closing
    await talk.end()


async def test_an_idle_connection_is_closed_before_the_origin_would() -> None:
    """Rule 38."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    await talk.pass_time(limits.IDLE_UPSTREAM_S + 0.3)

    assert talk.origin().closing
    assert 0 == talk.plane.snapshot().endpoints[0].idle
    await talk.end()


async def test_a_connection_whose_end_was_heard_is_not_taken_again() -> None:
    """Rule 38."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.origin().protocol.eof_received()
    await talk.client.says(GET)

    assert 2 == len(talk.loop.origins)
    await talk.end()


async def test_a_large_body_is_relayed_piece_by_piece() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    body = bytes(range(256)) * 64
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(body)) + body)
    await talk.origin_says(body)

    assert talk.client.heard().endswith(b"\r\n\r\n" + body + body)
    assert 1 == talk.plane.snapshot().endpoints[0].idle
    await talk.end()
