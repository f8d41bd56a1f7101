"""The clients of the stories see what goes wrong: a story told by one that does not would prove nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from tests.kit.clients import Answer, Failure, Line, Load, Paced, ask_all, get
from tests.kit.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nv1\n"
BAD = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1\r\n\r\nx"


@contextmanager
def server(say: Callable[[int], bytes]) -> Iterator[int]:
    """The port of a server that says ``say(n)`` to the n-th bytes of a connection; nothing said ends it."""

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            number = 0
            while connection.recv(65536) and (said := say(number)):
                connection.sendall(said)
                number += 1

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def note(heard: list[Answer], _line: Line, answer: Answer, _closes: bool) -> None:
    """Keep an answer."""
    heard.append(answer)


def test_answers_are_told_apart_wherever_their_bytes_are_cut() -> None:
    data = OK + BAD + OK
    for cut in range(len(data)):
        heard: list[Answer] = []
        line = Line(partial(note, heard), lambda _line, _failure: None)
        line.owed.extend([0.0, 0.0, 0.0])
        line.data_received(data[:cut])
        line.data_received(data[cut:])
        assert [(200, "v1"), (502, "x"), (200, "v1")] == [(answer.status, answer.body) for answer in heard]


def test_a_connection_that_ends_while_an_answer_is_owed_is_a_failure() -> None:
    lost: list[Failure | None] = []
    for owed, begun in ((0, b""), (1, b""), (1, OK[:-1])):
        line = Line(lambda _line, _answer, _closes: None, lambda _line, failure: lost.append(failure))
        line.owed.extend([1.0] * owed)
        line.data_received(begun)
        line.connection_lost(None)

    assert [None, (1.0, False), (1.0, True)] == [(f.sent_at, f.begun) if f else None for f in lost]


def test_a_load_counts_answers_bad_ones_and_lost_ones() -> None:
    with server(lambda number: (OK, BAD, b"")[number]) as port, Load(port, connections=2, pause_s=0.001).running() as outcome:
        until(lambda: len(outcome.failures) >= 10, 10, "ten failures")

    counts = outcome.counts()
    assert (True, True) == (counts[200, "v1"] >= 10, counts[502, "x"] >= 10), counts
    assert {2} == {failure.answered_before for failure in outcome.failures if failure.why == "closed"}


def test_a_refused_connection_is_a_failure() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Load(nobody.getsockname()[1], connections=1).running() as outcome:
            until(lambda: outcome.failures, 10, "a failure")

    assert outcome.failures[0].why.startswith("connect: ConnectionRefused")


def test_a_paced_client_keeps_its_pace_whatever_the_answers_are() -> None:
    with server(lambda _number: BAD) as port:
        client = Paced(port, [get(), get("other")], rate=200)
        with client.running() as outcome:
            until(lambda: len(outcome.answers) >= 100, 10, "100 answers")

    sent = sorted(answer.sent_at for answer in outcome.answers)
    assert 0.3 < sent[99] - sent[0] < 2.0
    assert abs(len(client.by_head[0]) - len(client.by_head[1])) <= 1


def test_asking_for_all_raises_when_a_connection_is_lost() -> None:
    with server(lambda number: OK if number < 3 else b"") as port, pytest.raises(AssertionError, match="lost"):
        ask_all(port, [get()] * 10, connections=1, depth=1)


def test_answers_to_all_come_in_the_order_of_the_requests() -> None:
    with server(lambda number: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%04d" % number) as port:
        answers = ask_all(port, [get()] * 50, connections=1, depth=1)

    assert [f"{number:04}" for number in range(50)] == [answer.body for answer in answers]
