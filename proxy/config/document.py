"""YAML text into a tree of plain nodes, each with its place. Knows the syntax, and nothing of what the keys mean.

The tree is built here from libyaml's events rather than by ``yaml.compose``: that composer, in its C form, recurses without a floor (a
file of a million ``[`` ends the process), overlooks duplicate keys and expands aliases without a bound. Events come in document order
and without recursion, so depth, node count and duplicates are checked while the tree grows.

Plain scalars are read by the core schema of YAML 1.2 (section 10.3.2): ``true`` and ``false`` are the only booleans, ``010`` is ten and
``12:30`` is text. Their text is kept beside the value, so a header value ``1`` or a label ``2.10`` is taken as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from proxy import limits
from proxy.config.environment import Environment, Unset
from proxy.config.places import KeyPath, Mistakes, Place

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,18}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?")
_CORE: Final = "tag:yaml.org,2002:"
_STR_TAG: Final = f"{_CORE}str"
_CORE_TAGS: Final = frozenset(f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))


_TOLD_DEPTH: Final = 12  # parts of a key path that are told; the format has no longer one


class Plain(str):
    """A scalar written without quotes: its text, which ``value`` reads as a number, a boolean or nothing where it looks like one."""

    __slots__ = ()

    @property
    def value(self) -> str | int | float | bool | None:
        text = str(self)
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text


class Scalar:
    """A value. ``text`` is None where it could not be read (the mistake is noted): nothing more is said about it then."""

    __slots__ = ("place", "text")
    height = 1
    size = 1

    def __init__(self, place: Place, text: str | None) -> None:
        self.place = place
        self.text = text


class Sequence:
    """A list of nodes. ``height`` and ``size`` (nodes, itself included) are known when it is complete, and 0 before."""

    __slots__ = ("height", "items", "place", "size")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.items: list[Node] = []
        self.height = self.size = 0


class Mapping:
    """Keys in file order, each with the place of the key and its node."""

    __slots__ = ("entries", "height", "place", "size")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.entries: dict[str, tuple[Place, Node]] = {}
        self.height = self.size = 0


Node = Scalar | Sequence | Mapping


class _Open:
    """A collection whose end has not been met, the key that waits for its value, and the merges to do at its end."""

    __slots__ = ("key", "key_place", "merges", "node")

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.key: str | None = None
        self.key_place = node.place
        self.merges: list[tuple[Place, Node]] = []


class _Stop(Exception):  # not an error: the rest of this file cannot be understood
    pass


def compose(data: bytes, file: str, env: Environment, mistakes: Mistakes) -> Node | None:
    """The tree of one file; None when it is empty or its syntax is broken (then a mistake was added)."""
    text = _decoded(data, file, mistakes)
    if text is None:
        return None
    composer = _Composer(file, env, mistakes)
    try:
        for event in _events(text):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        place, words = _syntax(error, text, file)
        mistakes.add(place, composer.path(), words)
        return None
    except _Stop:
        return None
    return composer.root


def _events(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _decoded(data: bytes, file: str, mistakes: Mistakes) -> str | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        before = data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")
        what = f"is not UTF-8 (byte 0x{data[error.start]:02x}); save the file in UTF-8"
        mistakes.add(Place(file, line, len(before) + 1), (), what)
        return None
    if found := _UNPRINTABLE.search(text):
        at = found.start()
        place = Place(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        mistakes.add(place, (), f"the character U+{ord(found[0]):04X} is not allowed in YAML; write it as an escape in double quotes")
        return None
    return text


class _Composer:
    """Takes events in order and grows the tree; the stack holds the collections that are open."""

    def __init__(self, file: str, env: Environment, mistakes: Mistakes) -> None:
        self.root: Node | None = None
        self._file = file
        self._env = env
        self._mistakes = mistakes
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def path(self) -> KeyPath:
        """The key path of the node that comes next."""
        parts: list[str | int] = []
        for open_ in self._stack:
            if isinstance(open_.node, Sequence):
                parts.append(len(open_.node.items))
            elif open_.key is not None:
                parts.append(open_.key)
        return tuple(parts)

    def take(self, event: Any) -> None:
        """One event further."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(event, "a second document (`---`) begins here; write one document a file")

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _stop(self, event: Any, words: str) -> None:
        self._mistakes.add(self._place(event), self.path()[:_TOLD_DEPTH], words)
        raise _Stop

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > limits.CONFIG_NODES_MAX:
            self._stop(event, f"more than {limits.CONFIG_NODES_MAX} values after aliases are expanded; use fewer aliases")

    def _scalar(self, event: Any) -> None:
        self._count(event, 1)
        self._check_tag(event)
        place = self._place(event)
        open_ = self._stack[-1] if self._stack else None
        is_key = open_ is not None and isinstance(open_.node, Mapping) and open_.key is None
        text: str | None
        try:
            text = self._env.substituted(event.value)
        except Unset as error:
            self._mistakes.add(place, (*self.path(), event.value) if is_key else self.path(), str(error))
            text = event.value if is_key else None
        if open_ is not None and is_key:
            open_.key = text
            open_.key_place = place
            return
        plain = event.implicit[0] or (event.tag in _CORE_TAGS and event.tag != _STR_TAG)
        self._attach(event, Scalar(place, Plain(text) if plain and text is not None else text))

    def _open(self, event: Any) -> None:
        self._count(event, 1)
        self._check_tag(event)
        self._check_key(event)
        if len(self._stack) >= limits.CONFIG_DEPTH_MAX:
            self._stop(event, f"is nested deeper than {limits.CONFIG_DEPTH_MAX} levels; no key of the format is that deep")
        node = (Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence)(self._place(event))
        if event.anchor:
            self._anchors[event.anchor] = node
        self._stack.append(_Open(node))

    def _close(self, event: Any) -> None:
        open_ = self._stack.pop()
        node = open_.node
        if isinstance(node, Mapping):
            for place, merged in open_.merges:
                self._merge(node, place, merged)
            children = [child for _, child in node.entries.values()]
        else:
            children = node.items
        node.size = 1 + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        self._attach(event, node)

    def _alias(self, event: Any) -> None:
        self._check_key(event)
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
            return
        if node.size == 0:
            self._stop(event, f"the alias *{event.anchor} stands inside what it repeats")
        if len(self._stack) + node.height > limits.CONFIG_DEPTH_MAX:
            self._stop(event, f"is nested deeper than {limits.CONFIG_DEPTH_MAX} levels once *{event.anchor} is expanded")
        self._count(event, node.size)
        self._attach(event, node)

    def _check_tag(self, event: Any) -> None:
        if event.tag not in (None, "!") and event.tag not in _CORE_TAGS:
            self._mistakes.add(self._place(event), self.path(), f"the tag {event.tag.replace(_CORE, '!!')} is not read here; remove it")

    def _check_key(self, event: Any) -> None:
        if self._stack and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None:
            self._stop(event, "a key has to be plain text, not a list, a mapping or an alias")

    def _attach(self, event: Any, node: Node) -> None:
        anchor = getattr(event, "anchor", None)
        if anchor and isinstance(event, yaml.ScalarEvent):
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        open_ = self._stack[-1]
        if isinstance(open_.node, Sequence):
            open_.node.items.append(node)
            return
        key = open_.key
        assert key is not None, "a value follows its key"
        if key == "<<":
            open_.merges.append((open_.key_place, node))
        elif (first := open_.node.entries.get(key)) is not None:
            words = f"is given twice; it was given first at line {first[0].line}. Keep one of the two"
            self._mistakes.add(open_.key_place, self.path(), words)
        else:
            open_.node.entries[key] = (open_.key_place, node)
        open_.key = None

    def _merge(self, into: Mapping, place: Place, merged: Node) -> None:
        sources = merged.items if isinstance(merged, Sequence) else [merged]
        for source in sources:
            if isinstance(source, Mapping):
                for key, entry in source.entries.items():
                    into.entries.setdefault(key, entry)
            else:
                self._mistakes.add(place, (*self.path(), "<<"), "takes mappings only: `<<: *anchor` or `<<: [*one, *two]`")


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Place, str]:
    """Where YAML broke off, in words that say what to do. libyaml and PyYAML word the same faults differently, hence the substrings."""
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    problem = error.problem or "the text ends too early"
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    character = line[place.column - 1 : place.column]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return place, "a tab cannot indent in YAML; use spaces"
    if "cannot start any token" in problem:
        return place, f"a plain value cannot begin with `{character}`; put it in quotes"
    if "mapping values are not allowed" in problem:
        return place, "a `:` is not allowed here; put text that has `: ` in it in quotes, or mend the indentation"
    begun = error.context_mark
    if begun is None or (begun.line, begun.column) == (place.line - 1, place.column - 1):
        return place, f"is not YAML: {problem}"
    opened = f"line {begun.line + 1}, column {begun.column + 1}"
    context = (error.context or "").removeprefix("while ")
    if "quoted scalar" in context:
        return Place(file, begun.line + 1, begun.column + 1), "the quote that opens here is never closed; close it with the same sign"
    if "flow" in context:
        bracket = "`]`" if "sequence" in context else "`}`"
        return place, f"{bracket} is missing before this, or a `,`, or quotes around text with `: ` in it; it was opened at {opened}"
    if "block" in context:
        what = "list entry" if "sequence" in context or "collection" in context else "key"
        there = f"in column {begun.column + 1} as at line {begun.line + 1}"
        return place, f"is no {what} where one has to be; indent it like its neighbours, {there}"
    return place, f"is not YAML: {problem} ({context} that began at {opened})"
