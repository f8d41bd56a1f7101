"""Bodies by what they are."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from proxy import limits
from proxy.shadow.bodies import body_differences, decoded, first_difference, is_json, media_type
from proxy.shadow.reply import Reply


def reply(body: bytes, media: str = "application/json", coding: str = "", size: int | None = None) -> Reply:
    headers = [(b"content-type", media.encode())] + ([(b"content-encoding", coding.encode())] if coding else [])
    return Reply(200, tuple(headers), body, len(body) if size is None else size)


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def found(original: Reply, copy: Reply) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in body_differences(original, copy)]


def test_json_is_compared_by_path() -> None:
    assert found(reply(text({"a": 1})), reply(text({"a": 2}))) == [("$.a", "value")]


def test_white_space_and_order_of_members_say_nothing_in_json() -> None:
    assert found(reply(b'{"a": 1, "b": 2}'), reply(b'{"b":2,"a":1}')) == []


def test_a_gzipped_and_a_plain_body_are_compared_by_what_is_in_them() -> None:
    body = text({"a": 1})

    assert found(reply(gzip.compress(body), coding="gzip"), reply(body)) == []


def test_a_difference_inside_a_coding_is_found() -> None:
    one, other = gzip.compress(text({"a": 1})), zlib.compress(text({"a": 2}))

    assert found(reply(one, coding="gzip"), reply(other, coding="deflate")) == [("$.a", "value")]


def test_a_coding_that_is_broken_or_unknown_stays_on() -> None:
    assert [decoded(reply(b"\x1f\x8bnot", coding="gzip")), decoded(reply(b"x", coding="br"))] == [b"\x1f\x8bnot", b"x"]


def test_a_body_that_grows_beyond_the_bound_is_compared_as_it_came() -> None:
    bomb = gzip.compress(b"0" * (limits.COMPARED_BODY_BYTES_MAX + 1))

    assert decoded(reply(bomb, coding="gzip")) == bomb


def test_what_says_json_and_is_none_is_compared_by_digest() -> None:
    assert found(reply(b"{"), reply(b"{}")) == [("body", "value")]


def test_not_a_number_is_no_json() -> None:
    assert found(reply(b'{"a": NaN}'), reply(b'{"a": 1}')) == [("body", "value")]


def test_json_deeper_than_anybody_reads_is_compared_by_digest() -> None:
    assert found(reply(b"[" * 100_000 + b"]" * 100_000), reply(b"[]")) == [("body", "value")]


def test_text_is_told_by_its_first_difference() -> None:
    [difference] = body_differences(reply(b"<p>one</p>", "text/html"), reply(b"<p>two</p>", "text/html"))

    assert (difference.original, difference.copy) == ('"<p>one</p>"', '"<p>two</p>"')


def test_the_surroundings_of_a_first_difference_are_short() -> None:
    one, other = first_difference(b"a" * 1000 + b"b", b"a" * 1000 + b"c")

    assert (len(one) <= limits.DIFFERENCE_CHARS_MAX, one[-2], other[-2]) == (True, "b", "c")


def test_a_binary_body_is_told_by_size_and_digest() -> None:
    [difference] = body_differences(reply(b"\x00", "image/png"), reply(b"\x01", "image/png"))

    assert difference.original.startswith("1 bytes, sha256 6e340b9cffb37a98")


def test_another_media_type_is_compared_by_digest_not_by_path() -> None:
    assert found(reply(text({"a": 1})), reply(text({"a": 2}), "text/plain")) == [("body", "value")]


def test_bodies_that_are_not_kept_whole_differ_by_their_beginning_or_size() -> None:
    cut = reply(b"aaa", "text/plain", size=100)

    assert [
        found(cut, reply(b"aaa", "text/plain", size=100)),
        found(cut, reply(b"aab", "text/plain", size=100)),
        found(cut, reply(b"aaa", "text/plain", size=101)),
    ] == [[], [("body", "value")], [("body", "value")]]


def test_coded_bodies_that_are_not_whole_cannot_be_told_apart() -> None:
    assert found(reply(b"aaa", coding="gzip", size=100), reply(b"aab", coding="gzip", size=99)) == []


def test_a_media_type_is_json_by_name_or_suffix() -> None:
    assert [is_json(media_type(reply(b"", m))) for m in ("application/JSON; charset=utf-8", "application/hal+json", "text/html")] == [
        True,
        True,
        False,
    ]
