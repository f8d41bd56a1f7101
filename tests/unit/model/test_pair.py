"""A pair's replies."""

from __future__ import annotations

import msgspec

from proxy.model.pair import Pair, Reply


def test_a_header_that_came_twice_is_one_list() -> None:
    reply = Reply(200, ((b"vary", b"accept"), (b"vary", b"cookie")))

    assert reply.header(b"vary") == b"accept, cookie"


def test_a_header_that_did_not_come_is_empty() -> None:
    assert Reply(200).header(b"vary") == b""


def test_a_body_of_which_only_the_beginning_was_kept_is_not_whole() -> None:
    assert [Reply(200, body=b"ab", size=2).whole, Reply(200, body=b"ab", size=3).whole] == [True, False]


def test_a_pair_travels_as_msgpack() -> None:
    pair = Pair("shop", "v2", "r", "GET", "/a?b=1", 1.0, Reply(200, ((b"a", b"b"),), b"x", 1, 0.1), Reply(0, failure="timeout"))

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pair), type=Pair) == pair
