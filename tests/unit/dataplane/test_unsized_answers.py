"""Answers whose head does not say how long they are: what arrives together leaves together, and nothing unreadable is begun."""

from __future__ import annotations

import pytest

from tests.kit.conversation import Conversation

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n"


pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("pieces", "writes"),
    [
        ([CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], 1),
        ([CHUNKED + b"2\r\nok\r\n", b"0\r\n\r\n"], 2),
        ([CHUNKED, b"2\r\nok\r\n0\r\n\r\n"], 2),
        ([CHUNKED + b"2\r", b"\nok\r\n0\r\n\r\n"], 2),
        ([CHUNKED + b"0\r\n\r\n"], 1),
    ],
)
async def test_what_arrives_together_of_a_chunked_answer_leaves_together(pieces: list[bytes], writes: int) -> None:
    talk = Conversation()
    await talk.client.says(GET)
    for piece in pieces:
        await talk.origin_says(piece)
    body = b"2\r\nok\r\n0\r\n\r\n" if b"ok" in b"".join(pieces) else b"0\r\n\r\n"

    assert (CHUNKED + body, writes) == (talk.client.heard(), talk.client.transport.writes)
    await talk.end()


async def test_a_body_that_cannot_be_read_from_its_start_is_a_502() -> None:
    """Nothing of the answer has been sent, so the client need not be left with a broken one."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(CHUNKED + b"2\r\nok\r\nxyz\r\n")
    heard = talk.client.heard()

    assert (True, 1) == (heard.startswith(b"HTTP/1.1 502 "), heard.count(b"HTTP/1.1"))
    assert {"protocol": 1} == talk.counts()["v1"].failures
    await talk.end()
