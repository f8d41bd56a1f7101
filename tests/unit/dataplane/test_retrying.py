"""The budget of retries and the memory for bodies that may be sent again."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.dataplane.retrying import Budget, Replay, ReplayRoom


def test_three_retries_are_always_allowed() -> None:
    budget = Budget()
    granted = 0
    while budget.allows(1):
        budget.take()
        granted += 1

    assert 3 == granted


def test_a_fifth_of_the_requests_in_flight_may_be_retries() -> None:
    budget = Budget()
    granted = 0
    while budget.allows(100):
        budget.take()
        granted += 1

    assert 20 == granted


def test_a_retry_that_ended_makes_room() -> None:
    budget = Budget()
    for _ in range(3):
        budget.take()
    budget.give()

    assert budget.allows(1)


def test_a_body_is_kept_whole() -> None:
    replay = Replay(ReplayRoom())
    replay.keep([b"ab", b"c"])
    replay.keep([b"d"])

    assert b"abcd" == b"".join(replay.pieces)


def test_a_body_over_the_limit_is_let_go() -> None:
    room = ReplayRoom()
    replay = Replay(room)
    replay.keep([b"x" * limits.REPLAY_BYTES_MAX])

    assert not replay.keep([b"x"])
    assert (0, []) == (room.bytes, replay.pieces)


def test_bodies_that_find_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPLAY_TOTAL_BYTES_MAX", 10)
    room = ReplayRoom()
    first, second = Replay(room), Replay(room)
    first.keep([b"x" * 8])

    assert not second.keep([b"x" * 8])
    assert (8, 1, 0) == (room.bytes, room.take_refused(), room.take_refused())
