"""Frames: any cut of the bytes gives the same messages, and nothing unbounded or unknown gets through."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.plan import RoutePlan
from proxy.supervisor import channel as ch
from proxy.telemetry.snapshot import CellDelta, Snapshot

PLAN = RoutePlan(generation=7, digest="d", listeners=(), services=(), routes=())
CELL = CellDelta(service="shop", version="v2", generation=7, requests={200: 3, 503: 1}, failed_users=[(2**64 - 1, "status_5xx")])
DOWN = [
    ch.Prepare(plan=PLAN),
    ch.Commit(generation=7),
    ch.Abandon(generation=7),
    ch.Collect(id=1),
    ch.Drain(timeout_s=2.5),
    ch.ReopenLogs(),
]
UP = [
    ch.Hello(pid=12),
    ch.Prepared(generation=7),
    ch.Refused(generation=7, reason="no"),
    ch.Committed(generation=7),
    ch.Report(snapshot=Snapshot(worker=0, sequence=1, generation=7, at_s=1.5, cells=[CELL]), answering=3),
    ch.Drained(cut=2),
]


@pytest.mark.parametrize(("accepts", "messages"), [(ch.Down, DOWN), (ch.Up, UP)], ids=["down", "up"])
def test_messages_are_the_same_whatever_the_pieces_they_come_in(accepts: object, messages: list[ch.Down | ch.Up]) -> None:
    stream = b"".join(ch.frame(message) for message in messages)
    for size in (1, 2, 3, 5, 7, 64, len(stream)):
        decoder = ch.Decoder(accepts)
        got = [m for at in range(0, len(stream), size) for m in decoder.feed(stream[at : at + size])]

        assert messages == got


def test_a_frame_over_the_bound_is_refused_before_it_is_read() -> None:
    decoder = ch.Decoder(ch.Up)

    with pytest.raises(ch.ChannelBroken, match="at most"):
        decoder.feed((limits.FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


def test_a_message_of_the_other_direction_is_refused() -> None:
    with pytest.raises(ch.ChannelBroken, match="no message"):
        ch.Decoder(ch.Up).feed(ch.frame(ch.Commit(generation=1)))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(ch.ChannelBroken, match="no message"):
        ch.Decoder(ch.Up).feed(b"\x00\x00\x00\x02hi")


def test_a_channel_that_is_not_connected_swallows_what_is_sent() -> None:
    """Its owner learns of the end by ``on_lost``, not by an error at every send."""
    channel = ch.Channel(ch.Up, lambda message: None, lambda: None)
    channel.send(ch.Commit(generation=1))

    assert (False, 0) == (channel.open, channel.backlog)
