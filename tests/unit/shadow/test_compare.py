"""Whole answers."""

from __future__ import annotations

import json

import pytest

from proxy import limits
from proxy.shadow.compare import Rules, compare
from proxy.shadow.reply import Reply


def reply(body: bytes = b"", status: int = 200, **fields: str) -> Reply:
    headers = ((b"content-type", b"application/json"), *((k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()))
    return Reply(status, headers, body, len(body))


def found(original: Reply, copy: Reply, *ignore: str) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in compare(original, copy, Rules(ignore))]


def test_equal_answers_do_not_differ() -> None:
    assert found(reply(b'{"a":1}'), reply(b'{"a":1}')) == []


def test_another_status_is_the_one_difference() -> None:
    assert found(reply(b'{"a":1}'), reply(b'{"error":1}', 500)) == [("status", "value")]


def test_a_copy_that_broke_is_a_difference() -> None:
    [difference] = compare(reply(), Reply(0, failure="timeout"), Rules())

    assert (difference.path, difference.original, difference.copy) == ("failure", "200", "timeout")


def test_two_that_broke_alike_do_not_differ() -> None:
    assert found(Reply(0, failure="reset"), Reply(0, failure="reset")) == []


def test_head_and_body_are_both_told() -> None:
    assert found(reply(b'{"a":1}', x_a="1"), reply(b'{"a":2}', x_a="2")) == [("header:x-a", "value"), ("$.a", "value")]


@pytest.mark.parametrize(
    ("rule", "path", "covers"),
    [
        ("$.a", "$.a", True),
        ("$.a", "$.a.b", True),
        ("$.a", "$.a[]", True),
        ("$.a", "$.ab", False),
        ("$", "$.a", True),
        ("$.a.b", "$.a", False),
        ("header:x-a", "header:x-a", True),
        ("header:set-cookie", "header:set-cookie[s]", True),
        ("status", "status", True),
    ],
)
def test_a_rule_covers_its_path_and_what_is_below(rule: str, path: str, covers: bool) -> None:
    assert Rules([rule]).cover(path) is covers


def test_covered_paths_are_no_differences() -> None:
    assert found(reply(b'{"a":1,"b":1}'), reply(b'{"a":2,"b":2}'), "$.a") == [("$.b", "value")]


def test_a_pair_has_no_more_differences_than_the_bound() -> None:
    one = Reply(200, tuple((b"x-%d" % i, b"1") for i in range(100)))

    assert len(compare(one, Reply(200), Rules())) == limits.DIFFERENCES_PER_PAIR_MAX


def test_bodies_have_no_more_differences_than_the_bound_either() -> None:
    one, other = ({f"a{i}": {"b": i + more} for i in range(60)} for more in (0, 1))

    assert len(found(reply(json.dumps(one).encode()), reply(json.dumps(other).encode()))) == limits.DIFFERENCES_PER_PAIR_MAX


def test_what_is_covered_takes_no_room_of_what_is_not() -> None:
    one, other = ({"meta": {f"m{i}x": {"b": i + more} for i in range(60)}, "price": more} for more in (0, 1))

    assert found(reply(json.dumps(one).encode()), reply(json.dumps(other).encode()), "$.meta") == [("$.price", "value")]
