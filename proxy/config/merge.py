"""Several files and the command line's overrides become one tree, with a digest of all that went into it.

Lists of the top level concatenate in name order and ``services`` merge by name; anything else that two files give is a mistake that
names both places. Knows only which top-level keys merge, and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence as SequenceType
from pathlib import Path
from typing import Final

from proxy.config import sources
from proxy.config.document import Mapping, Node, Plain, Scalar, Sequence, compose
from proxy.config.environment import Environment, Unset
from proxy.config.places import OVERRIDE, ConfigInvalid, KeyPath, Mistake, Mistakes, Place, parsed, shown

_MERGED_MAPPINGS: Final = frozenset({"services"})


class Document:
    """The merged tree, whose every node knows its place, the digest of what it was made from, and the mistakes met so far."""

    def __init__(self, root: Mapping, digest: str, mistakes: Mistakes) -> None:
        self.root = root
        self.digest = digest
        self.mistakes = mistakes

    def node(self, path: KeyPath) -> Node | None:
        """The node at ``path``, or None."""
        node: Node = self.root
        for part in path:
            if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
                node = node.entries[part][1]
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
            else:
                return None
        return node

    def keys(self, path: KeyPath) -> tuple[str, ...]:
        """The keys of the mapping at ``path``; none when it is no mapping."""
        node = self.node(path)
        return tuple(node.entries) if isinstance(node, Mapping) else ()

    def place(self, path: KeyPath) -> Place:
        """Where the value at ``path`` stands, or else the nearest thing above it that exists."""
        for length in range(len(path), 0, -1):
            if (node := self.node(path[:length])) is not None:
                return node.place if length == len(path) else self.key_place(path[:length])
        return self.root.place

    def key_place(self, path: KeyPath) -> Place:
        """Where the last key of ``path`` stands (a list item: where the item does)."""
        parent = self.node(path[:-1])
        if path and isinstance(parent, Mapping) and path[-1] in parent.entries:
            return parent.entries[str(path[-1])][0]
        return self.place(path)


def read(path: Path, *, env: MappingType[str, str], overrides: SequenceType[tuple[str, str]] = ()) -> Document:
    """The configuration at ``path`` (a file or a directory) as one tree. Raises ConfigInvalid when a file's syntax is broken."""
    try:
        texts = sources.read(path)
    except sources.Unreadable as error:
        raise ConfigInvalid([Mistake(error.file, 0, 0, "", str(error))]) from error
    return merged(texts, env=env, overrides=overrides)


def merged(texts: sources.Sources, *, env: MappingType[str, str], overrides: SequenceType[tuple[str, str]] = ()) -> Document:
    """The configuration in those texts, one at least, as one tree. Raises ConfigInvalid when a text's syntax is broken."""
    mistakes = Mistakes()
    environment = Environment(env)
    tree = Mapping(Place(texts[0][0], 1, 1))
    unusable = False
    for file, data in texts:
        before = len(mistakes.found)
        root = compose(data, file, environment, mistakes)
        if isinstance(root, Mapping):
            _merge(tree, root, mistakes)
        elif root is not None and not _is_empty(root):
            mistakes.add(root.place, (), "a configuration is a mapping of keys like listeners, services and routes")
            unusable = True
        elif len(mistakes.found) > before:
            unusable = True
    for key, value in overrides:
        _override(tree, key, value, environment, mistakes)
    if unusable:
        mistakes.raise_if_any()
    parts = [data for _, data in texts]
    parts += [f"{name}={value}".encode() for name, value in sorted(environment.used.items())]
    parts += [f"{key}={value}".encode() for key, value in overrides]
    return Document(tree, sources.digest(parts), mistakes)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.text, Plain) and node.text.value is None


def _merge(into: Mapping, other: Mapping, mistakes: Mistakes) -> None:
    for key, (place, node) in other.entries.items():
        if key not in into.entries:
            into.entries[key] = (place, _copied(node))
            continue
        first_place, first = into.entries[key]
        if isinstance(first, Sequence) and isinstance(node, Sequence):
            first.items.extend(node.items)
        elif key in _MERGED_MAPPINGS and isinstance(first, Mapping) and isinstance(node, Mapping):
            for name, entry in node.entries.items():
                if name in first.entries:
                    _twice(mistakes, entry[0], (key, name), first.entries[name][0])
                else:
                    first.entries[name] = entry
        else:
            _twice(mistakes, place, (key,), first_place)


def _copied(node: Node) -> Node:
    """The same node with its own top level, so that adding to it does not change what an alias shares."""
    if isinstance(node, Sequence):
        sequence = Sequence(node.place)
        sequence.items = list(node.items)
        return sequence
    if isinstance(node, Mapping):
        mapping = Mapping(node.place)
        mapping.entries = dict(node.entries)
        return mapping
    return node


def _twice(mistakes: Mistakes, place: Place, path: KeyPath, first: Place) -> None:
    mistakes.add(place, path, f"is given twice; it was given first at {first}. Keep one of the two")


def _override(root: Mapping, key: str, value: str, env: Environment, mistakes: Mistakes) -> None:
    place = Place(OVERRIDE)
    try:
        path = parsed(key)
        scalar = Scalar(place, Plain(env.substituted(value)))
    except Unset as error:
        mistakes.add(place, parsed(key), str(error))
        return
    except ValueError as error:
        mistakes.add(place, (), f"{key!r} {error}")
        return
    node: Node = root
    for at, part in enumerate(path):
        last = at + 1 == len(path)
        following: Node = scalar if last else Mapping(place)
        if isinstance(node, Mapping) and isinstance(part, str):
            known = node.entries.get(part)
            following = scalar if last else _copied(known[1]) if known else following
            node.entries[part] = (known[0] if known and not last else place, following)
        elif isinstance(node, Sequence) and isinstance(part, int) and part <= len(node.items):
            if part == len(node.items):
                node.items.append(following)
            else:
                following = scalar if last else _copied(node.items[part])
                node.items[part] = following
        else:
            words = _cannot_step(node, part)
            mistakes.add(place, path, f"{shown(path[:at]) or 'the configuration'} {words}")
            return
        node = following


def _cannot_step(node: Node, part: str | int) -> str:
    if isinstance(node, Sequence):
        return f"is a list of {len(node.items)}; name an item by its index, [0] to [{len(node.items)}] (the last one appends)"
    if isinstance(node, Mapping):
        return f"is a mapping; [{part}] names no key of it"
    return "is a single value; nothing can be set inside it"
