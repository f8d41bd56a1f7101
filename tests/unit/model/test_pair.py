"""What goes from a worker to be compared."""

from __future__ import annotations

import msgspec

from proxy.model.pair import Pair, Seen


def test_a_pair_travels_as_msgpack() -> None:
    pair = Pair(
        "shop", "v2", "r", "GET", "/a?b=1", 1.0, Seen(200, b"HTTP/1.1 200 OK\r\n\r\n", b"x", 1, 0.1), Seen(0, failure="timeout")
    )

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pair), type=Pair) == pair
