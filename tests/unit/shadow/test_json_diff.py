"""JSON values by path."""

from __future__ import annotations

from typing import Any

import pytest

from proxy import limits
from proxy.shadow.json_diff import canonical, differences, shown


def found(original: Any, copy: Any) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in differences(original, copy)]


@pytest.mark.parametrize(
    ("original", "copy", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="equal"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, [], id="members have no order"),
        pytest.param({"a": 1}, {"a": 2}, [("$.a", "value")], id="another value"),
        pytest.param({"a": 1}, {"a": "1"}, [("$.a", "type")], id="another type"),
        pytest.param({"a": 1}, {"a": None}, [("$.a", "type")], id="null is a type"),
        pytest.param({"a": True}, {"a": 1}, [("$.a", "type")], id="true is not one"),
        pytest.param({"a": 1}, {"a": 1.0}, [], id="1 and 1.0 are one number"),
        pytest.param({"name": "x"}, {"title": "x"}, [("$.name", "missing"), ("$.title", "extra")], id="a renamed member"),
        pytest.param({"p": 10.129}, {"p": 10.13}, [("$.p", "value")], id="rounding"),
        pytest.param([1, 2, 3], [3, 2, 1], [("$", "order")], id="another order"),
        pytest.param([1, 2, 3], [1, 2], [("$", "length")], id="shorter"),
        pytest.param([1, 2], [1, 5], [("$[]", "value")], id="an element"),
        pytest.param([], [1], [("$", "length")], id="from empty"),
        pytest.param({"items": [{"id": 1, "p": 1}, {"id": 2, "p": 2}]}, {"items": [{"id": 2, "p": 2}, {"id": 1, "p": 1}]},
                     [("$.items", "order")], id="elements that have names, in another order"),
        pytest.param([{"id": 1, "p": 1}, {"id": 2, "p": 2}], [{"id": 2, "p": 3}, {"id": 1, "p": 1}],
                     [("$", "order"), ("$[].p", "value")], id="another order and a value are told apart"),
        pytest.param([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 3}], [("$[]", "missing"), ("$[]", "extra")], id="another element"),
        pytest.param([{"id": 1}, {"id": 2}], [{"id": 2}], [("$", "length"), ("$[]", "missing")], id="one fewer"),
        pytest.param([[1, 2]], [[1, 3]], [("$[][]", "value")], id="nested arrays"),
        pytest.param({"a": "2026-11-24T12:00:00Z"}, {"a": "2026-11-24T12:00:01Z"}, [], id="timestamps by type"),
        pytest.param({"a": "2026-11-24T12:00:00Z"}, {"a": "yesterday"}, [("$.a", "value")], id="a timestamp no more"),
        pytest.param({"a": 1_764_000_000}, {"a": 1_764_000_003}, [], id="unix times by type"),
        pytest.param({"a": "0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11"},
                     {"a": "1b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11"}, [], id="uuids by type"),
        pytest.param({"1": {"x": 1}, "2": {"x": 1}}, {"1": {"x": 1}, "2": {"x": 2}}, [("$.*.x", "value")], id="a map by numbers"),
        pytest.param({"1": {"x": 1}}, {"2": {"x": 1}}, [("$.*", "missing"), ("$.*", "extra")], id="another key of a map"),
        pytest.param({"0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11": 1}, {"1b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11": 1}, [], id="drawn keys"),
        pytest.param({"0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11": 1}, {"1b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11": 2},
                     [("$.*", "value")], id="drawn keys, another value"),
        pytest.param(1, [1], [("$", "type")], id="roots"),
    ],
)  # fmt: skip
def test_a_difference_is_a_path_and_a_kind(original: Any, copy: Any, expected: list[tuple[str, str]]) -> None:
    assert found(original, copy) == expected


def test_an_object_with_very_many_members_is_a_map() -> None:
    many = {f"k{i}x": 1 for i in range(limits.NAMED_MEMBERS_MAX + 1)}

    assert found(many, {**many, "k7x": 2}) == [("$.*", "value")]


def test_one_cause_in_many_elements_is_one_difference() -> None:
    assert found([{"p": i} for i in range(100)], [{"p": i + 1} for i in range(1, 101)]) == [("$[].p", "value")]


def test_elements_with_drawn_names_are_held_by_their_place() -> None:
    one = [{"id": "0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", "p": 1}]
    other = [{"id": "1b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", "p": 2}]

    assert found(one, other) == [("$[].p", "value")]


def test_both_values_are_shown_in_short() -> None:
    [found] = differences({"a": 1}, {"a": "x" * 500})

    assert (found.original, found.copy) == ("1", '"' + "x" * (limits.DIFFERENCE_CHARS_MAX - 2) + "…")


def test_differences_are_found_as_they_are_asked_for() -> None:
    one = {f"a{i}": {"b": i} for i in range(60)}
    other = {f"a{i}": {"b": i + 1} for i in range(60)}
    told = differences(one, other)

    assert [next(told).path, next(told).path, len(list(told))] == ["$.a0.b", "$.a1.b", 58]


def test_halves_of_surrogate_pairs_are_shown_as_something_that_can_be_sent() -> None:
    [found] = differences({"\ud800 k": "a\udc00"}, {"\ud800 k": "b\udc00"})

    assert (found.path, found.original, found.copy) == ('$["? k"]', '"a?"', '"b?"')


def test_a_value_that_is_nested_too_deeply_is_not_shown_and_breaks_nothing() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = {"a": deep}

    assert shown(deep) == "(nested too deeply to show)"


def test_below_the_depth_that_is_walked_values_are_equal_or_not() -> None:
    one: Any = {"x": 1}
    other: Any = {"x": 2}
    for _ in range(limits.COMPARED_DEPTH_MAX):
        one, other = {"a": one}, {"a": other}

    assert found(one, other) == [("$" + ".a" * limits.COMPARED_DEPTH_MAX, "value")]


def test_a_shown_value_has_its_members_sorted() -> None:
    assert shown({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'


def test_values_without_a_difference_have_one_canonical_text() -> None:
    one = {"at": "2026-11-24T12:00:00Z", "n": 1.0, "l": [1]}
    other = {"l": [1.0], "n": 1, "at": "2025-11-24T12:00:00Z"}

    assert canonical(one) == canonical(other)
