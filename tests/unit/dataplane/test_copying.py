"""One copy, as the exchange of its own connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.dataplane.capture import Capture, Store
from proxy.dataplane.copying import Copy
from proxy.dataplane.pool import Pool
from proxy.model.service import Endpoint
from tests.kit.conversation import Conversation, settle

pytestmark = pytest.mark.asyncio

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Copied:
    """A copy on a pool of its own, and what came of it."""

    def __init__(self, talk: Conversation, *, bytes_max: int = 100, head_request: bool = False) -> None:
        self.ends: list[str] = []
        self.pool = Pool(talk.plane, "shop", "v2", Endpoint("127.0.0.1", 9002))
        on_end: Callable[[str], None] = self.ends.append
        self.copy = Copy(
            talk.plane,
            self.pool,
            HEAD,
            Capture(Store(), bytes_max),
            head_request=head_request,
            logs_in=False,
            bytes_max=bytes_max,
            timeout_s=5.0,
            on_end=on_end,
        )
        self.copy.begin()


async def test_its_connection_goes_back_to_its_pool() -> None:
    talk = Conversation()
    copied = Copied(talk)
    await settle()
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    assert (copied.ends, copied.pool.idle, copied.pool.active, copied.copy.capture.seen().body) == ([""], 1, 0, b"hi")
    await talk.end()


async def test_interim_answers_are_nobodys() -> None:
    talk = Conversation()
    copied = Copied(talk)
    await settle()
    await talk.origin_says(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

    assert (copied.ends, copied.copy.capture.status) == ([""], 204)
    await talk.end()


async def test_an_upgrade_that_nobody_asked_for_is_a_failure() -> None:
    talk = Conversation()
    copied = Copied(talk)
    await settle()
    await talk.origin_says(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")

    assert copied.ends == ["protocol"]
    await talk.end()


async def test_it_may_be_given_up_before_it_is_connected() -> None:
    talk = Conversation()
    talk.loop.hang = True
    copied = Copied(talk)
    await settle()
    copied.copy.give_up()

    assert (copied.ends, copied.pool.active) == ([], 0)
    await talk.end()


async def test_one_that_cannot_connect_in_its_time_has_timed_out() -> None:
    talk = Conversation()
    talk.loop.hang = True
    copied = Copied(talk)
    await talk.pass_time(5.5)

    assert copied.ends == ["timeout"]
    await talk.end()


async def test_given_up_twice_it_ends_once() -> None:
    talk = Conversation()
    copied = Copied(talk)
    await settle()
    copied.copy.give_up()
    copied.copy.give_up()

    assert copied.pool.active == 0
    await talk.end()


async def test_an_answer_that_is_too_large_and_there_at_once_is_whole() -> None:
    talk = Conversation()
    copied = Copied(talk, bytes_max=1)
    await settle()
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    assert (copied.ends, copied.copy.capture.seen().body, copied.copy.capture.size) == ([""], b"h", 2)
    await talk.end()
