"""A worker takes as many clients as it can serve, and counts those it turns away."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from proxy import limits
from proxy.dataplane.room import Room
from tests.kit.conversation import Conversation


class Transport:
    def __init__(self, number: int | None) -> None:
        self._number = number

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" and self._number is not None else None

    def fileno(self) -> int | None:
        return self._number


MANY = 1000
"""Clients enough that each is asked."""


def has_place(room: Room, clients: int = MANY, number: int | None = 5) -> bool:
    return room.has_place(clients, Transport(number))  # type: ignore[arg-type]  # only what is asked of it


def test_a_quarter_of_the_descriptors_is_kept_for_origins() -> None:
    room = Room(1000)

    assert (True, False) == (has_place(room, number=749), has_place(room, number=750))


def test_the_number_of_clients_is_bounded_whatever_the_descriptors() -> None:
    room = Room(resource.RLIM_INFINITY)

    assert has_place(room, limits.CLIENTS_PER_WORKER_MAX - 1)
    assert not has_place(room, limits.CLIENTS_PER_WORKER_MAX)


def test_a_transport_without_a_socket_is_judged_by_number_alone() -> None:
    assert has_place(Room(4), number=None)


def test_who_is_turned_away_is_counted_once() -> None:
    room = Room(100)
    for number in (10, 80, 90):
        has_place(room, number=number)

    assert (2, 0) == (room.take_refused(), room.take_refused())


def test_while_there_are_few_clients_one_in_so_many_is_asked() -> None:
    room = Room(1000)
    answers = [has_place(room, clients=92, number=800) for _ in range(2 * limits.ROOM_ASKED_EACH)]

    assert (2, False, False) == (answers.count(False), answers[limits.ROOM_ASKED_EACH - 1], answers[-1])


@pytest.mark.asyncio
async def test_a_client_that_finds_no_place_is_closed_without_a_word_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation()
    monkeypatch.setattr(limits, "CLIENTS_PER_WORKER_MAX", 1)
    refused = talk.another_client()
    await talk.pass_time(1.0)
    snapshot = talk.plane.snapshot()

    assert refused.transport.aborted
    assert b"" == refused.heard()
    assert (1, 1) == (snapshot.downstream_connections, snapshot.clients_refused)
    await talk.end()
