"""The judge of atomic switches finds what it should, and only that."""

from __future__ import annotations

import random

import pytest

from tests.kit.clients import Answer
from tests.kit.order import Turn, disorders

TURN = Turn("v2", asked_at=10.0, done_at=10.5)


def answer(version: str, sent_at: float, answered_at: float) -> Answer:
    return Answer(200, version, sent_at, answered_at)


def test_an_old_answer_to_a_request_sent_after_a_new_answer_had_come_is_found() -> None:
    late = answer("v1", 10.21, 10.3)

    assert [late] == [found.late for found in disorders([answer("v2", 10.1, 10.2), late], [TURN])]


def test_requests_that_overlap_may_be_answered_by_either() -> None:
    assert [] == disorders([answer("v2", 10.1, 10.2), answer("v1", 10.19, 10.3)], [TURN])


def test_an_old_answer_after_the_switch_was_said_to_be_done_is_found_though_no_new_one_came() -> None:
    assert 1 == len(disorders([answer("v1", 10.51, 10.52)], [TURN]))


def test_a_request_that_was_under_way_before_the_switch_was_asked_for_may_end_when_it_likes() -> None:
    assert [] == disorders([answer("v1", 9.9, 12.0), answer("v2", 10.1, 10.2)], [TURN])


def test_each_turn_is_judged_by_its_own_answers() -> None:
    back = Turn("v1", 11.0, 11.5)

    assert [] == disorders([answer("v2", 10.1, 10.2), answer("v1", 11.1, 11.2), answer("v1", 11.6, 11.7)], [TURN, back])
    assert 1 == len(disorders([answer("v2", 10.1, 10.2), answer("v1", 11.1, 11.2), answer("v2", 11.3, 11.4)], [TURN, back]))


def test_before_the_first_turn_anything_goes() -> None:
    assert [] == disorders([answer("v2", 1.0, 1.1), answer("v1", 2.0, 2.1)], [TURN])


def play(rng: random.Random, lag_s: float) -> tuple[list[Answer], list[Turn]]:
    """Two workers that take each of 20 turns ``lag_s`` apart, under 2,000 requests a second of 1 ms."""
    turns, answers = [], []
    switched: list[tuple[float, float]] = []
    for number in range(20):
        at = 1.0 + number
        switched.append((at, at + lag_s))
        turns.append(Turn(f"v{2 - number % 2}", at - 0.001, at + lag_s + 0.001))
    for number in range(40_000):
        sent_at = number * 0.0005
        worker, routed_at = rng.randrange(2), sent_at + 0.0003
        taken = sum(times[worker] <= routed_at for times in switched)
        answers.append(answer("v2" if taken % 2 else "v1", sent_at, sent_at + 0.001))
    rng.shuffle(answers)
    return answers, turns


@pytest.mark.parametrize(("lag_s", "expected"), [(0.0, False), (0.0005, False), (0.005, True)])
def test_workers_that_switch_further_apart_than_a_request_takes_are_found_out(lag_s: float, expected: bool) -> None:
    """Half a millisecond apart cannot be told from outside when a request takes one: nothing has happened that a client could see."""
    assert expected == bool(disorders(*play(random.Random(7), lag_s)))
