"""Upgrades: asked for, agreed to, and then bytes both ways (rules 28, 29, 32)."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.service import Timeouts
from tests.kit.conversation import Conversation, plan
from tests.kit.strict_reader import read_requests

ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


async def tunnelled(**service: object) -> Conversation:
    talk = Conversation(plan(**service) if service else None)
    await talk.client.says(ASK)
    talk.origin_heard()
    await talk.origin_says(AGREED)
    talk.client.heard()
    return talk


async def test_an_upgrade_is_forwarded_with_its_connection_fields() -> None:
    """Rule 28."""
    talk = Conversation()
    await talk.client.says(ASK)
    heard = talk.origin_heard()

    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in heard
    assert b"\r\nSec-WebSocket-Key: k\r\n" in heard
    assert 1 == len(read_requests(heard))
    await talk.end()


@pytest.mark.parametrize(
    "head",
    [
        ASK.replace(b"GET", b"POST"),
        ASK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        ASK.replace(b"Connection: Upgrade\r\n", b""),
        ASK.replace(b"websocket", b"h2c"),
        ASK.replace(b"websocket", b"HTTP/2.0"),
        ASK.replace(b"websocket", b"websocket, other"),
        ASK.replace(b"Upgrade: websocket", b"Upgrade: websocket\r\nUpgrade: other"),
        ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
        ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nxx"),
        ASK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
async def test_any_other_upgrade_is_an_ordinary_request(head: bytes) -> None:
    """Rule 28: GET, 1.1, no body, one protocol that is not HTTP again."""
    talk = Conversation()
    await talk.client.says(head)
    heard = talk.origin_heard()

    assert b"upgrade" not in heard.lower()
    await talk.origin_says(AGREED)
    assert talk.client.heard().startswith(b"HTTP/1.1 502")
    assert {"protocol": 1} == talk.counts()["v1"].failures
    await talk.end()


async def test_the_agreement_reaches_the_client_as_one() -> None:
    talk = Conversation()
    await talk.client.says(ASK)
    await talk.origin_says(AGREED + b"hello")

    assert (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
        == talk.client.heard()
    )
    await talk.end()


@pytest.mark.parametrize(
    "answer",
    [
        AGREED.replace(b"websocket", b"other"),
        AGREED.replace(b"websocket", b"websocket, other"),
        AGREED.replace(b"HTTP/1.1", b"HTTP/1.0"),
        AGREED.replace(b"Upgrade: websocket\r\n", b""),
        AGREED.replace(b"Connection: Upgrade\r\n", b""),
        AGREED.replace(b"Connection: Upgrade", b"Connection: close"),
    ],
)
async def test_an_agreement_to_something_else_is_a_broken_origin(answer: bytes) -> None:
    """Rules 28 and 32: the protocol that was asked for, and said in both fields."""
    talk = Conversation()
    await talk.client.says(ASK)
    await talk.origin_says(answer + b"evil")
    heard = talk.client.heard()

    assert heard.startswith(b"HTTP/1.1 502")
    assert b"evil" not in heard
    assert {"protocol": 1} == talk.counts()["v1"].failures
    assert talk.origin().closing
    await talk.end()


async def test_nothing_is_a_tunnel_before_the_origin_agrees() -> None:
    """Rule 28: bytes sent too early wait, and are a request again when the answer is another."""
    talk = Conversation()
    await talk.client.says(ASK + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert ["GET /chat HTTP/1.1"] == [request.first for request in read_requests(talk.origin_heard())]
    await talk.origin_says(OK)

    assert talk.client.heard().endswith(b"ok")
    assert ["GET /2 HTTP/1.1"] == [request.first for request in read_requests(talk.origin_heard())]
    await talk.end()


async def test_another_answer_keeps_the_connection_for_http() -> None:
    """Rule 29."""
    talk = Conversation()
    await talk.client.says(ASK)
    await talk.origin_says(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
    talk.client.heard()
    talk.origin_heard()
    await talk.client.says(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert 1 == len(read_requests(talk.origin_heard()))
    await talk.origin_says(OK)

    assert talk.client.heard().endswith(b"ok")
    await talk.end()


async def test_bytes_pass_both_ways_as_they_are() -> None:
    talk = await tunnelled()
    await talk.client.says(b"GET / HTTP/1.1\r\n\r\n\0\xff")
    await talk.origin_says(b"\x81\x02hi")

    assert b"GET / HTTP/1.1\r\n\r\n\0\xff" == talk.origin_heard()
    assert b"\x81\x02hi" == talk.client.heard()
    await talk.end()


async def test_what_the_client_sent_too_early_is_the_tunnels_first_bytes() -> None:
    talk = Conversation()
    await talk.client.says(ASK + b"early")
    talk.origin_heard()
    await talk.origin_says(AGREED)
    assert b"early" == talk.origin_heard()
    assert talk.client.transport.reading
    await talk.client.says(b"later")

    assert b"later" == talk.origin_heard()
    await talk.end()


async def test_the_clients_end_is_passed_on_and_the_origin_may_go_on() -> None:
    """Rule 29."""
    talk = await tunnelled()
    assert talk.client.transport.protocol.eof_received()
    assert talk.origin().eof_written
    await talk.origin_says(b"last words")

    assert b"last words" == talk.client.heard()
    assert not talk.origin().protocol.eof_received()
    await talk.pass_time(0)
    assert talk.client.transport.closing
    assert talk.origin().closing
    assert not talk.plane.long_lived.tunnels
    await talk.end()


async def test_the_origins_end_is_passed_on_and_the_client_may_go_on() -> None:
    """Rule 29."""
    talk = await tunnelled()
    assert talk.origin().protocol.eof_received()
    assert talk.client.transport.eof_written
    talk.client.transport.protocol.data_received(b"last words")

    assert b"last words" == talk.origin_heard()
    await talk.end()


async def test_over_tls_the_end_of_one_side_ends_both(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = await tunnelled()
    monkeypatch.setattr(talk.client.transport, "can_write_eof", lambda: False)

    assert not talk.origin().protocol.eof_received()
    assert talk.client.transport.closing
    assert not talk.client.transport.aborted
    await talk.end()


async def test_a_reset_is_passed_on_as_one() -> None:
    talk = await tunnelled()
    await talk.origin_ends(error=ConnectionResetError())

    assert talk.client.transport.aborted
    await talk.end()


async def test_a_tunnel_without_a_byte_for_its_idle_time_ends() -> None:
    """Rule 29."""
    talk = await tunnelled(timeouts=Timeouts(tunnel_s=5.0))
    await talk.pass_time(4)
    assert not talk.client.transport.closing
    await talk.pass_time(2)

    assert talk.client.transport.aborted
    assert talk.origin().aborted
    await talk.end()


async def test_a_slow_side_stops_the_other_from_being_read() -> None:
    """Rule 41."""
    talk = await tunnelled()
    client, origin = talk.client.transport, talk.origin()
    client.protocol.pause_writing()
    assert (True, False) == (client.reading, origin.reading)
    client.protocol.resume_writing()
    origin.protocol.pause_writing()

    assert (False, True) == (client.reading, origin.reading)
    await talk.end()


async def test_a_tunnel_counts_once_as_101_and_is_in_flight_until_it_ends() -> None:
    talk = await tunnelled()
    counted = talk.counts()["v1"]
    assert ({101: 1}, {}, 1) == (counted.requests, counted.failures, counted.in_flight)
    await talk.client.leaves(ConnectionResetError())
    counted = talk.counts()["v1"]

    assert ({}, 0) == (counted.requests, counted.in_flight)
    await talk.end()


async def test_a_tunnels_bytes_are_counted_by_direction() -> None:
    talk = await tunnelled()
    talk.counts()
    await talk.client.says(b"12345")
    await talk.origin_says(b"123")

    assert (5, 3) == talk.counts()["v1"].tunnel_bytes
    await talk.end()


async def test_a_tunnel_is_one_of_the_busy_connections_of_its_endpoint() -> None:
    talk = await tunnelled()
    endpoint = talk.plane.snapshot().endpoints[0]

    assert (1, 1, 0) == (endpoint.active, endpoint.tunnels, endpoint.idle)
    await talk.end()


async def test_the_default_idle_time_outlasts_the_pings_of_websocket_libraries() -> None:
    assert Timeouts().tunnel_s == limits.TUNNEL_IDLE_TIMEOUT_S >= 2 * 60
