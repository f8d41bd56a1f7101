"""What a listener itself answers, and what it asks of a connection: by conversation, without sockets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.model.intent import Listener
from tests.kit.conversation import Conversation, plan

OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


def behind(**listener: Any) -> Conversation:
    return Conversation(msgspec.structs.replace(plan(), listeners=(Listener(name="web", **listener),)))


async def test_a_redirecting_listener_sends_every_request_to_https() -> None:
    talk = behind(redirect_to_https=True)
    for _ in range(2):
        await talk.client.says(b"POST /a?b=//c HTTP/1.1\r\nHost: Shop.test:8080\r\n\r\n")
        heard = talk.client.heard()
        assert heard.startswith(b"HTTP/1.1 308 ")
        assert b"\r\nLocation: https://shop.test/a?b=//c\r\n" in heard

    assert b"" == talk.origin_heard()
    assert {308: 2} == talk.plane.snapshot().unmatched
    await talk.end()


async def test_pipelined_requests_are_each_redirected() -> None:
    talk = behind(redirect_to_https=True)
    await talk.client.says(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    heard = talk.client.heard()

    assert [b"https://a/1", b"https://a/2"] == [line[10:] for line in heard.split(b"\r\n") if line.startswith(b"Location: ")]
    await talk.end()


async def test_a_redirected_body_is_not_read_as_a_request() -> None:
    talk = behind(redirect_to_https=True)
    body = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    await talk.client.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    heard = talk.client.heard()

    assert (1, True) == (heard.count(b"HTTP/1.1 "), talk.client.closed)
    assert b"\r\nConnection: close\r\n" in heard
    await talk.client.leaves()
    await talk.end()


async def test_a_redirect_without_a_host_is_refused() -> None:
    talk = behind(redirect_to_https=True)
    await talk.client.says(b"GET / HTTP/1.0\r\n\r\n")

    assert talk.client.heard().startswith(b"HTTP/1.1 400 ")
    await talk.end()


@pytest.mark.parametrize(("networks", "served"), [(("192.0.2.0/24",), True), ((), False)])
async def test_what_a_trusted_proxy_took_the_tls_off_is_served(networks: tuple[str, ...], served: bool) -> None:
    talk = behind(redirect_to_https=True, trusted_proxies=networks)
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n")

    assert served == bool(talk.origin_heard())
    await talk.end()


async def test_a_new_plans_limit_counts_the_connections_there_are() -> None:
    talk = behind()
    talk.serve(msgspec.structs.replace(plan(), generation=2, listeners=(Listener(name="web", max_connections=1),)))
    refused = talk.another_client()

    assert refused.transport.aborted
    assert not talk.client.transport.closing
    assert 1 == talk.plane.snapshot().listeners[0].refused
    await talk.client.leaves()
    assert not talk.another_client().transport.aborted
    await talk.end()


async def test_a_client_certificate_is_for_a_listener_with_tls_or_a_trusted_proxy_to_name() -> None:
    """Rule 27."""
    ask = b'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: Subject="CN=root"\r\n\r\n'
    talk = behind()
    await talk.client.says(ask)
    assert b"CN=root" not in talk.origin_heard()
    await talk.end()
    talk = behind(trusted_proxies=("192.0.2.0/24",))
    await talk.client.says(ask)

    assert b'\r\nX-Forwarded-Client-Cert: Subject="CN=root"\r\n' in talk.origin_heard()
    await talk.end()
