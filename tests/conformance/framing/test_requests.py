"""The framing corpus: each case whole, byte by byte, and split in two at every offset; the origin and the client must see the same.

The oracle is a strict reader that shares no code with the proxy: the origin gets exactly the requests a strict reader sees, or none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.conversation import Conversation, settle
from tests.kit.strict_reader import Ambiguous, Message, read_requests, read_responses

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "requests.yaml").read_text())
ANSWER = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"


def halves(data: bytes) -> list[list[bytes]]:
    """The bytes split in two at every offset."""
    return [[data[:cut], data[cut:]] for cut in range(1, len(data))]


async def play(pieces: list[bytes], *, ends: bool = False) -> tuple[list[Message], bytes, bytes, bool]:
    """What the origin read, bytes it could not, what the client heard, and whether its connection was ended."""
    talk = Conversation()
    requests: list[Message] = []
    unread = [b""]
    heard = b""

    async def origin_answers() -> None:
        for _ in range(8):
            unread[0] += talk.origin_heard() if talk.loop.origins else b""
            if not unread[0]:
                return
            try:
                got = read_requests(unread[0])
            except Ambiguous:
                return
            unread[0] = b""
            requests.extend(got)
            for _request in got:
                await talk.origin_says(ANSWER)

    pending = b""
    for piece in pieces:
        pending += piece
        if talk.client.transport.reading and not talk.client.transport.closing:
            await talk.client.says(pending)
            pending = b""
        await origin_answers()
    await talk.client.says(pending)
    await origin_answers()
    if ends and not talk.client.transport.closing:
        await talk.client.leaves()
        await origin_answers()
    await settle()
    heard = talk.client.heard()
    ended = talk.client.closed
    await talk.end()
    return requests, unread[0], heard, ended


def check(case: dict[str, Any], result: tuple[list[Message], bytes, bytes, bool]) -> None:
    requests, unread, heard, ended = result
    seen = [f"{m.first}|{m.body.decode('latin-1')}" if m.body else m.first for m in requests]
    methods = [m.first.split(" ")[0] for m in requests]
    answers = [int(m.first.split(" ")[1]) for m in read_responses(heard, methods, ended=ended)]

    assert case.get("origin", []) == seen
    assert case["answer"] == answers
    assert case["closed"] == ended
    if unread:
        assert case.get("partial"), f"the origin was left with {unread!r}"
        assert not unread.endswith(b"\r\n0\r\n\r\n"), "a broken body was ended as if it were whole"
    if requests:
        fields = [f"{name.lower()}: {value}" for name, value in requests[-1].fields]
        assert not [x for x in case.get("absent", []) if requests[-1].values(x)]
        assert not [x for x in case.get("present", []) if x not in fields]


@pytest.mark.asyncio
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_origin_and_client_see_what_a_strict_reader_would(case: dict[str, Any]) -> None:
    """Delivered in one piece."""
    check(case, await play([case["say"].encode("latin-1")], ends=case.get("ends", False)))


@pytest.mark.asyncio
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_byte_by_byte_makes_no_difference(case: dict[str, Any]) -> None:
    """Delivered one byte at a time."""
    data = case["say"].encode("latin-1")
    check(case, await play([data[i : i + 1] for i in range(len(data))], ends=case.get("ends", False)))


@pytest.mark.asyncio
@pytest.mark.parametrize("case", CASES[::5], ids=[case["name"] for case in CASES[::5]])
async def test_a_split_at_any_offset_makes_no_difference(case: dict[str, Any]) -> None:
    """Delivered in two pieces, for every place where they may part."""
    for pieces in halves(case["say"].encode("latin-1")):
        check(case, await play(pieces, ends=case.get("ends", False)))


def test_every_rule_about_requests_has_a_case() -> None:
    """Rules 1 to 11 and 13 to 23 and 25; limits (12) and re-framing (24) have tests of their own."""
    wanted = {*range(1, 12), *range(13, 24), 25} - {12, 24}

    assert set() == wanted - {case["rule"] for case in CASES}
