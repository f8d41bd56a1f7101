"""What an origin may do to a client, whole and byte by byte: a cut answer never looks whole, a doubtful connection is not reused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.conversation import Conversation
from tests.kit.strict_reader import Ambiguous, read_responses

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "responses.yaml").read_text())
TOO_LATE = ("extra-", "hidden-after-")
"""Names of cases with bytes after the answer that are part of it only when they come with it."""


async def play(case: dict[str, Any], pieces: list[bytes]) -> None:
    talk = Conversation()
    method = case.get("method", "GET")
    await talk.client.says(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    for piece in pieces:
        if not talk.origin().closing:
            await talk.origin_says(piece)
    if case.get("ends"):
        await talk.origin_ends()
    heard = talk.client.heard()
    if case.get("later"):
        assert not talk.origin().closing
        await talk.origin_says(case["later"].encode("latin-1"))
        assert not talk.client.heard()
    if case.get("cut") and case["cause"] == "protocol" and len(pieces) == 1:
        assert [502] == [int(m.first.split(" ")[1]) for m in read_responses(heard, [method], ended=True)], "none of it had been sent"
    elif case.get("cut"):
        assert talk.client.transport.aborted
        with pytest.raises(Ambiguous):
            read_responses(heard, [method], ended=True)
    else:
        messages = read_responses(heard, [method], ended=talk.client.closed)
        statuses = [int(m.first.split(" ")[1]) for m in messages]
        wanted, _, body = case["answer"].partition(" ")
        assert [*case.get("interim", []), int(wanted)] == statuses
        if " " in case["answer"]:
            assert body.encode() == messages[-1].body
        assert not talk.client.closed, "a client that did nothing wrong keeps its connection"
    assert case["reused"] == (not talk.origin().closing)
    failures = talk.counts()["v1"].failures
    assert ({case["cause"]: 1} if "cause" in case else {}) == failures
    await talk.end()


@pytest.mark.asyncio
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_client_gets_a_whole_answer_or_a_broken_connection(case: dict[str, Any]) -> None:
    """Delivered in one piece."""
    await play(case, [case["say"].encode("latin-1")] if case["say"] else [])


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [c for c in CASES if not c["name"].startswith(TOO_LATE)], ids=lambda case: str(case["name"]))
async def test_byte_by_byte_makes_no_difference(case: dict[str, Any]) -> None:
    """Delivered one byte at a time; bytes after the answer then come too late for it, and are a test of their own."""
    data = case["say"].encode("latin-1")
    await play(case, [data[i : i + 1] for i in range(len(data))])


@pytest.mark.asyncio
async def test_bytes_on_an_idle_origin_connection_end_it() -> None:
    """Rule 35."""
    talk = Conversation()
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    assert talk.origin().closing
    assert b"evil" not in talk.client.heard()

    await talk.end()
