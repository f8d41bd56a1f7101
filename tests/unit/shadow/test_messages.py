"""What the supervisor and the comparer say to each other."""

from __future__ import annotations

import msgspec
import pytest

from proxy.shadow.messages import Ask, Compare, Down, Rules, Shown, Summary, Up


@pytest.mark.parametrize(
    ("message", "accepts"),
    [
        (Compare({"shop": Rules("v2", "v1b", ("$.a",), ("$.b",), 3)}), Down),
        (Ask(1, "shop"), Down),
        (Shown(1, {"word": "same"}), Up),
        (Shown(1, None), Up),
        (Summary("shop", "v2", 3, 10, 0, 0.1, "different", "1 path", ("r $.a (value)",)), Up),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: msgspec.Struct, accepts: object) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=accepts) == message
