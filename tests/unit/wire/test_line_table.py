"""The table of lines seen before: what it keeps, what it never keeps, and its bound."""

from __future__ import annotations

import gc

import pytest

from proxy import limits
from proxy.wire import gate
from proxy.wire.headers import REQUEST_KINDS, RESPONSE_KINDS, UNREPEATED, BadLine, LineTable


def kept(table: LineTable) -> list[bytes]:
    return [line for line in table if line]


def test_a_line_that_comes_again_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table = LineTable(REQUEST_KINDS)
    first = table.lookup(b"Connection: close")
    monkeypatch.setattr(gate, "line_passes", None)

    assert first is table.lookup(b"Connection: close")


def test_a_plain_line_is_remembered_as_nothing_special() -> None:
    table = LineTable(REQUEST_KINDS)

    assert table.lookup(b"Accept: */*") is None
    assert [b"Accept: */*"] == kept(table)


def test_lines_are_told_apart_by_every_byte() -> None:
    table = LineTable(REQUEST_KINDS)
    for line in (b"X: a", b"x: a", b"X:a", b"X: a "):
        table.lookup(line)

    assert [b"X: a", b"x: a", b"X:a", b"X: a "] == kept(table)


@pytest.mark.parametrize("name", sorted(UNREPEATED))
@pytest.mark.parametrize("kinds", [REQUEST_KINDS, RESPONSE_KINDS], ids=["request", "response"])
def test_a_line_that_holds_a_secret_is_never_kept(kinds: dict[bytes, int], name: bytes) -> None:
    """Nothing reachable from the table holds the value, in any spelling of the name, however often it comes."""
    table = LineTable(kinds)
    for spelling in (name, name.upper(), name.title()):
        for _ in range(3):
            table.lookup(spelling + b": s3cret-value")

    assert [] == kept(table)
    assert [] == [thing for thing in reachable(table) if b"s3cret-value" in thing]


def reachable(table: LineTable) -> list[bytes]:
    """Every bytes object that the table keeps alive, its own attributes included."""
    found: list[bytes] = []
    todo: list[object] = [table._names, dict(table)]
    for _ in range(4):
        todo = [other for thing in todo for other in gc.get_referents(thing)]
        found += [thing for thing in todo if isinstance(thing, bytes)]
    return found


def test_credentials_are_among_what_is_never_kept() -> None:
    assert set() == {b"cookie", b"set-cookie", b"authorization", b"proxy-authorization", b"x-api-key"} - UNREPEATED


@pytest.mark.parametrize(
    "line", [b"X: a\x00", b"X : a", b" X: a", b"X", b"Content-Length: -1", b"Host: a b", b"Transfer-Encoding: gzip"]
)
def test_a_refused_line_is_not_remembered(line: bytes) -> None:
    """Rule 23: it is refused each time it comes."""
    table = LineTable(REQUEST_KINDS)
    for _ in range(2):
        with pytest.raises(BadLine):
            table.lookup(line)

    assert [] == kept(table)


def test_a_line_at_the_length_limit_is_kept_and_a_longer_one_is_not() -> None:
    table = LineTable(REQUEST_KINDS)
    line = b"X: " + b"a" * (limits.LINE_TABLE_LINE_BYTES_MAX - 3)
    table.lookup(line)
    table.lookup(line + b"a")

    assert [line] == kept(table)


def test_the_table_is_emptied_at_its_bound_and_learns_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_TABLE_ENTRIES_MAX", 4)
    table = LineTable(REQUEST_KINDS)
    for number in range(4):
        table.lookup(b"X: %d" % number)

    assert [b"X: 3"] == kept(table)
    assert table.lookup(b"") is None


def test_the_table_never_grows_over_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_TABLE_ENTRIES_MAX", 16)
    table = LineTable(REQUEST_KINDS)
    sizes = set()
    for number in range(200):
        table.lookup(b"X-%d: %d" % (number, number))
        sizes.add(max(len(table), len(table._names)))

    assert max(sizes) <= 16


def test_a_long_name_is_not_remembered() -> None:
    table = LineTable(REQUEST_KINDS)
    table.lookup(b"x" * (limits.LINE_TABLE_LINE_BYTES_MAX + 1) + b": a")

    assert {} == table._names


def test_an_emptied_table_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_TABLE_ENTRIES_MAX", 2)
    table = LineTable(REQUEST_KINDS)
    lines = [b"Connection: close", b"Content-Length: 5", b"Accept: a", b"Connection: close", b"Content-Length: 5"]
    fields = [table.lookup(line) for line in lines]

    assert [5, 3, None, 5, 3] == [field.kind if field else None for field in fields]
