"""Header fields by rule."""

from __future__ import annotations

import pytest

from proxy.shadow.fields import OF_THE_MOMENT, differences
from proxy.shadow.reply import Reply


def found(original: dict[str, str], copy: dict[str, str]) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in differences(reply(original), reply(copy))]


def reply(fields: dict[str, str]) -> Reply:
    return Reply(200, tuple((name.encode(), value.encode()) for name, value in fields.items()))


@pytest.mark.parametrize(
    ("name", "original", "copy", "expected"),
    [
        ("content-type", "application/json", "application/json", []),
        ("content-type", "application/json; charset=utf-8", "application/json;charset=UTF-8", []),
        ("content-type", "application/json", "text/html", [("header:content-type", "value")]),
        ("cache-control", "max-age=60, public", "public, max-age=60", []),
        ("cache-control", "max-age=60", "no-store", [("header:cache-control", "value")]),
        ("vary", "Accept, Cookie", "cookie,accept", []),
        ("vary", "Accept", "Accept, Cookie", [("header:vary", "value")]),
        ("etag", '"a"', '"b"', []),
        ("location", "/orders/0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", "/orders/1b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", []),
        ("location", "/login?next=/a", "/login?next=/b", [("header:location", "value")]),
        ("x-total", "10", "11", [("header:x-total", "value")]),
        ("x-trace", "4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736", []),
        ("set-cookie", "session=abc; Path=/; HttpOnly", "session=def; HttpOnly; path=/", []),
        ("set-cookie", "s=a; Path=/; Expires=Tue, 24 Nov 2026 12:00:00 GMT", "s=b; Path=/; Expires=Wed, 25 Nov 2026 12:00:00 GMT", []),
        ("set-cookie", "session=abc; HttpOnly", "session=def", [("header:set-cookie[session]", "value")]),
    ],
)
def test_a_field_is_compared_by_what_it_means(name: str, original: str, copy: str, expected: list[tuple[str, str]]) -> None:
    assert found({name: original}, {name: copy}) == expected


def test_what_is_of_the_moment_is_never_compared() -> None:
    fields = {name.decode(): "a" for name in OF_THE_MOMENT}

    assert found(fields, {}) == []


def test_a_field_that_is_gone_or_new_is_told() -> None:
    assert found({"etag": "a"}, {"x-new": "b"}) == [("header:etag", "missing"), ("header:x-new", "extra")]


def test_a_cookie_that_is_gone_or_new_is_told_by_its_name() -> None:
    assert sorted(found({"set-cookie": "a=1"}, {"set-cookie": "b=1"})) == [
        ("header:set-cookie[a]", "missing"),
        ("header:set-cookie[b]", "extra"),
    ]
