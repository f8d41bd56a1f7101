"""Two JSON values, compared path by path. A path has no array indexes and no identifiers: differences of one cause have one path.

``$.items[].price`` is the price of every item; the values of an object whose keys are identifiers, or very many, are ``$.users.*``. A
difference is a path and a kind:

- ``value``: another value of the same type; ``type``: a value of another type
- ``missing``, ``extra``: the copy lacks a key or an element, or has one more
- ``length``: an array of another length; ``order``: the same elements in another order

Texts that look like UUIDs, timestamps, digests or tokens are equal when both look alike; so are numbers of about one Unix time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from proxy import limits
from proxy.model.member import member, sendable
from proxy.shadow import looks, redact

_NAMES: Final = ("id", "uuid", "key", "name", "code", "slug")
"""Members that tell the elements of an array apart, in the order they are tried."""

Value = Any
"""What ``json.loads`` makes."""


class Text(str):
    """A value that is shown as it stands, not as JSON."""


NOTHING: Final = Text("")
"""What is not there."""


class Difference(NamedTuple):
    """Where and how two answers differ, and the values of both there; most are never looked at, so they are shown when asked for."""

    path: str
    kind: str
    one: Value = NOTHING
    other: Value = NOTHING

    @property
    def original(self) -> str:
        """The original's value in short, for people."""
        return shown(self.one)

    @property
    def copy(self) -> str:
        """The copy's."""
        return shown(self.other)


def differences(original: Value, copy: Value) -> Iterator[Difference]:
    """All differences, as they are found, each (path, kind) once: whoever has enough of them stops asking."""
    found: set[tuple[str, str]] = set()
    for difference in _compare("$", original, copy, 0):
        if (at := (difference.path, difference.kind)) not in found:
            found.add(at)
            yield difference


def shown(value: Value) -> str:
    """A value in a line, without what is never shown, cut to ``limits.DIFFERENCE_CHARS_MAX``."""
    if isinstance(value, Text):
        text = str(value)
    else:
        try:
            text = sendable(json.dumps(redact.value(value), ensure_ascii=False, sort_keys=True))
        except RecursionError:
            text = "(nested too deeply to show)"
    return text if len(text) <= limits.DIFFERENCE_CHARS_MAX else text[: limits.DIFFERENCE_CHARS_MAX - 1] + "…"


def _compare(path: str, original: Value, copy: Value, depth: int) -> Iterator[Difference]:
    if type_of(original) != type_of(copy):
        yield Difference(path, "type", original, copy)
    elif depth >= limits.COMPARED_DEPTH_MAX:
        if original != copy:
            yield Difference(path, "value", original, copy)
    elif isinstance(original, dict):
        yield from _objects(path, original, copy, depth + 1)
    elif isinstance(original, list):
        yield from _arrays(path, original, copy, depth + 1)
    elif not alike(original, copy):
        yield Difference(path, "value", original, copy)


_TYPES: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def type_of(value: Value) -> str:
    """``null``, ``boolean``, ``number``, ``string``, ``array`` or ``object``; 1 and 1.0 are both numbers (RFC 8259 section 6)."""
    return _TYPES[type(value)]


def alike(original: Value, copy: Value) -> bool:
    """Whether two scalars of one type are equal, or drawn from the same kind of thing."""
    if original == copy:
        return True
    if isinstance(original, str):
        return looks.same(original, copy)
    return type_of(original) == "number" and looks.same_moment(original, copy)


def _objects(path: str, original: dict[str, Value], copy: dict[str, Value], depth: int) -> Iterator[Difference]:
    if is_map(original) or is_map(copy):
        yield from _maps(f"{path}.*", original, copy, depth)
        return
    for key, value in original.items():
        at = path + member(key)
        if key in copy:
            yield from _compare(at, value, copy[key], depth)
        else:
            yield Difference(at, "missing", value)
    for key, value in copy.items():
        if key not in original:
            yield Difference(path + member(key), "extra", NOTHING, value)


def is_map(value: dict[str, Value]) -> bool:
    """Whether an object's keys are data: identifiers, or more of them than anybody names."""
    return len(value) > limits.NAMED_MEMBERS_MAX or (bool(value) and all(looks.odd_key(key) for key in value))


def _maps(path: str, original: dict[str, Value], copy: dict[str, Value], depth: int) -> Iterator[Difference]:
    """Objects that are used as maps. Keys that are drawn anew each time have no partner; then the values are held in their order."""
    common = original.keys() & copy.keys()
    lost, new = [key for key in original if key not in common], [key for key in copy if key not in common]
    drawn = all(looks.text(key) for key in (*lost, *new))
    for key in original:
        if key in common:
            yield from _compare(path, original[key], copy[key], depth)
    if drawn:
        for one, other in zip(lost, new, strict=False):
            yield from _compare(path, original[one], copy[other], depth)
        lost, new = lost[len(new) :], new[len(lost) :]
    if lost:
        yield Difference(path, "missing", {key: original[key] for key in lost[:1]})
    if new:
        yield Difference(path, "extra", NOTHING, {key: copy[key] for key in new[:1]})


def _arrays(path: str, original: list[Value], copy: list[Value], depth: int) -> Iterator[Difference]:
    """Elements are paired by what names them, else by their place; the same elements in another order differ in their order only."""
    at = f"{path}[]"
    if len(original) != len(copy):
        yield Difference(path, "length", len(original), len(copy))
    if not original or not copy:
        return
    named = _named(original, copy)
    if named is not None:
        yield from _paired(path, *named, depth)
        return
    if len(original) == len(copy):
        seen, other = [_key(value) for value in original], [_key(value) for value in copy]
        if seen == other:
            return
        if sorted(seen) == sorted(other):
            yield Difference(path, "order", original, copy)
            return
    for one, another in zip(original, copy, strict=False):
        yield from _compare(at, one, another, depth)


def _named(original: list[Value], copy: list[Value]) -> tuple[dict[str, Value], dict[str, Value]] | None:
    """Both arrays by a member that names every element of each once and is not drawn anew; None when there is none."""
    if not all(isinstance(value, dict) for value in (*original, *copy)):
        return None
    for name in _NAMES:
        keyed = _by(name, original), _by(name, copy)
        if keyed[0] is not None and keyed[1] is not None and keyed[0].keys() & keyed[1].keys():
            return keyed[0], keyed[1]
    return None


def _by(name: str, elements: list[Value]) -> dict[str, Value] | None:
    keyed: dict[str, Value] = {}
    for element in elements:
        key = element.get(name)
        if not isinstance(key, str | int) or isinstance(key, bool) or json.dumps(key) in keyed:
            return None
        keyed[json.dumps(key)] = element
    return keyed


def _paired(path: str, original: dict[str, Value], copy: dict[str, Value], depth: int) -> Iterator[Difference]:
    common = [key for key in original if key in copy]
    if common != [key for key in copy if key in original]:
        yield Difference(path, "order", list(original), list(copy))
    for key in common:
        yield from _compare(f"{path}[]", original[key], copy[key], depth)
    lost, new = [key for key in original if key not in copy], [key for key in copy if key not in original]
    if lost:
        yield Difference(f"{path}[]", "missing", original[lost[0]])
    if new:
        yield Difference(f"{path}[]", "extra", NOTHING, copy[new[0]])


def _key(value: Value) -> str:
    """The canonical text of an element; lists of words are the commonest, so they are quick."""
    if isinstance(value, str):
        kind = looks.text(value)
        return f"<{kind}>" if kind else f"'{value}"
    return canonical(value)


def canonical(value: Value) -> str:
    """The same text for two values without a difference, save for Unix times: members sorted, drawn texts by their looks."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Value) -> Value:
    if isinstance(value, dict):
        return {looks.text(key) or key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        kind = looks.text(value)
        return f"<{kind}>" if kind else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
