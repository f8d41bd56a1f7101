"""Keeping an answer while it passes."""

from __future__ import annotations

from typing import Any, cast

from proxy import limits
from proxy.dataplane.capture import Capture, Store, Tap
from proxy.dataplane.exchange import Exchange
from proxy.model.pair import Seen
from proxy.wire.response import Response, Statuses, new_table, parse

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def response(head: bytes = HEAD) -> Response:
    return parse(head, new_table(), Statuses(), head_request=False)


class Silent:
    """An exchange that only remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.told.append((name, args))


def body_of(capture: Capture) -> tuple[bytes, int]:
    seen = capture.seen()
    return seen.body, seen.size


def test_an_answer_is_kept_in_the_pieces_it_comes_in() -> None:
    capture = Capture(Store(), 100)
    capture.begin(response())
    capture.keep(b"he")
    capture.keep(b"llo")

    assert (capture.status, body_of(capture)) == (200, (b"hello", 5))


def test_of_a_longer_body_the_beginning_is_kept_and_the_rest_counted() -> None:
    capture = Capture(Store(), 3)
    capture.begin(response())
    capture.keep(b"hello")
    capture.keep(b"world")

    assert body_of(capture) == (b"hel", 10)


def test_another_head_begins_another_answer() -> None:
    store = Store()
    capture = Capture(store, 100)
    capture.begin(response())
    capture.keep(b"first")
    capture.begin(response())
    capture.keep(b"x")

    assert (body_of(capture), store.take(limits.CAPTURED_BYTES_MAX - 1)) == ((b"x", 1), True)


def test_a_worker_without_room_keeps_nothing_of_it() -> None:
    store = Store()
    store.take(limits.CAPTURED_BYTES_MAX - 4)
    capture = Capture(store, 100)
    capture.begin(response())
    capture.keep(b"he")
    capture.keep(b"llo")

    assert (capture.full, body_of(capture), store.take(4)) == (True, (b"", 5), True)


def test_after_its_end_nothing_is_kept_any_more() -> None:
    store = Store()
    capture = Capture(store, 100)
    capture.begin(response())
    capture.keep(b"hello")
    capture.close()
    capture.keep(b"more")

    assert store.take(limits.CAPTURED_BYTES_MAX)


def test_a_failure_leaves_no_answer() -> None:
    capture = Capture(Store(), 100)
    capture.begin(response())

    assert (capture.seen("reset").status, capture.seen("reset").failure) == (0, "reset")


def test_a_tap_passes_on_first_and_keeps_what_passed() -> None:
    exchange = Silent()
    tap = Tap(cast(Exchange, exchange), Capture(Store(), 100), lambda: None)
    head = response()
    tap.answer(head, HEAD + b"he", len(HEAD))
    tap.body(b"l")
    tap.body_pieces([b"l", b"o"], True)
    tap.complete(1.0)

    assert exchange.told == [
        ("answer", (head, HEAD + b"he", len(HEAD))),
        ("body", (b"l",)),
        ("body_pieces", ([b"l", b"o"], True)),
        ("complete", (1.0,)),
    ]
    assert body_of(tap.capture) == (b"hello", 5)


def test_a_tap_tells_of_an_event_stream_and_keeps_none_of_it() -> None:
    told: list[str] = []
    tap = Tap(cast(Exchange, Silent()), Capture(Store(), 100), lambda: told.append("stream"))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    tap.answer(response(head), head, len(head))

    assert told == ["stream"]


def test_the_time_of_an_answer_is_from_the_request_sent_to_its_head() -> None:
    capture = Capture(Store(), 100)
    capture.sent_at, capture.seen_at = 1.0, 3.5

    assert capture.seen() == Seen(0, b"", b"", 0, 2.5)
