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


async def test_a_body_that_came_whole_leaves_with_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """One system call, which wakes the origin once."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.origin_heard()
    writes: list[int] = []
    monkeypatch.setattr(talk.origin(), "write", lambda data: writes.append(len(data)))
    body = b"b" * 16384
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n" + body)

    assert 1 == len(writes)
    assert writes[0] > len(body)
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


@pytest.mark.parametrize("scheme", ["Negotiate", "NTLM", "negotiate YII=", "ntlm TlRM"])
async def test_a_connection_that_carried_a_login_of_its_own_is_nobody_elses(scheme: str) -> None:
    """Rule 39: with these schemes the origin takes whatever follows on the connection for the same user's."""
    talk = Conversation()
    await talk.client.says(GET.replace(b"\r\n\r\n", f"\r\nAuthorization: {scheme}\r\n\r\n".encode()))
    assert f"\r\nAuthorization: {scheme}\r\n".encode() in talk.origin_heard()
    await talk.origin_says(OK)

    assert talk.origin().closing
    assert talk.client.heard().endswith(b"ok")
    await talk.client.says(GET)
    assert 2 == len(talk.loop.origins)
    await talk.end()


async def test_a_repeated_head_with_such_a_login_shares_no_connection_either() -> None:
    """Rule 39."""
    talk = Conversation()
    for count in (1, 2, 3):
        await talk.client.says(GET.replace(b"\r\n\r\n", b"\r\nAuthorization: NTLM x\r\n\r\n"))
        await talk.origin_says(OK)

        assert count == len(talk.loop.origins)
        assert talk.origin().closing
    await talk.end()


@pytest.mark.parametrize("scheme", ["Negotiate", "NTLM", "Basic realm=x, Negotiate", "Negotiate oYG="])
async def test_a_connection_whose_answer_asks_for_such_a_login_is_not_shared(scheme: str) -> None:
    """Rule 39."""
    talk = Conversation()
    await talk.client.says(GET)
    challenge = f"HTTP/1.1 401 Who\r\nDate: x\r\nWWW-Authenticate: {scheme}\r\nContent-Length: 0\r\n\r\n".encode()
    await talk.origin_says(challenge)

    assert challenge == talk.client.heard()
    assert talk.origin().closing
    assert not talk.client.closed
    await talk.end()


@pytest.mark.parametrize("line", ["Authorization: Bearer negotiated", "Authorization: Basic TlRMTQ==", "X: NTLM"])
async def test_a_connection_that_carried_any_other_login_is_shared(line: str) -> None:
    """Rule 39: those schemes are of one request."""
    talk = Conversation()
    await talk.client.says(GET.replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode()))
    await talk.origin_says(OK.replace(b"\r\n\r\n", b"\r\nWWW-Authenticate: Basic realm=x\r\n\r\n"))
    await talk.client.says(GET)

    assert 1 == len(talk.loop.origins)
    await talk.end()


async def test_a_connection_is_not_shared_after_a_broken_exchange() -> None:
    """Rule 39: the client left in the middle of the answer, whose rest would be read as the next one's."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK[:-1])
    await talk.client.leaves(ConnectionResetError())
    other = talk.another_client()
    await other.says(GET)

    assert talk.origin(0).closing
    assert 2 == len(talk.loop.origins)
    await talk.end()


async def test_a_first_answer_that_begins_with_nul_is_a_protocol_failure() -> None:
    """On a connection that has not answered yet there is no head to repeat, whatever the bytes."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(b"\0\0\0")

    assert {"protocol": 1} == talk.counts()["v1"].failures
    assert talk.client.heard().startswith(b"HTTP/1.1 502 ")
    await talk.end()
