"""An answer with its fields apart."""

from __future__ import annotations

from proxy.model.pair import Seen
from proxy.shadow.reply import Reply


def test_the_fields_of_a_head_are_apart_and_their_names_in_lower_case() -> None:
    seen = Seen(200, b"HTTP/1.1 200 OK\r\nContent-Type:  text/html \r\nX-A: b:c\r\n\r\n", b"x", 1, 0.5)

    assert Reply.of(seen) == Reply(200, ((b"content-type", b"text/html"), (b"x-a", b"b:c")), b"x", 1, 0.5)


def test_an_answer_that_never_came_has_no_fields() -> None:
    assert Reply.of(Seen(0, failure="timeout")) == Reply(0, failure="timeout")


def test_a_header_that_came_twice_is_one_list() -> None:
    reply = Reply(200, ((b"vary", b"accept"), (b"vary", b"cookie")))

    assert reply.header(b"vary") == b"accept, cookie"


def test_a_header_that_did_not_come_is_empty() -> None:
    assert Reply(200).header(b"vary") == b""


def test_a_body_of_which_only_the_beginning_was_kept_is_not_whole() -> None:
    assert [Reply(200, body=b"ab", size=2).whole, Reply(200, body=b"ab", size=3).whole] == [True, False]
