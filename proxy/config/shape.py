"""The tree against the schema: a ``File``, or mistakes in our own words, at their places.

A value that is refused is taken out (an item of a list becomes None) and the rest is read again, so that one mistake does not hide the
next. What is said about the rest then has to leave the gaps alone: ``Shaped.whole`` tells where they are.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any, Final

import pydantic
from pydantic import Field
from pydantic_core import ErrorDetails

from proxy.config import document as tree
from proxy.config.fields import OWN_WORDS, given
from proxy.config.merge import Document
from proxy.config.part import Part
from proxy.config.places import KeyPath
from proxy.config.schema import File, Listener, Service
from proxy.config.schema_route import Route

NOT_SERVED: Final = frozenset({"experiments", "flags", "gitops", "fleet"})
"""Sections that this version does not know and another may, so they are no slip of the pen; CHANGELOG.md says why."""

_PASSES: Final = 8  # each takes out one more level of what cannot be read; the schema is 7 levels deep


class _Remainder(File):
    """A file whose sections were all refused is still looked at."""

    listeners: list[Listener | None] = Field(default=[])
    services: dict[str, Service] = Field(default={})
    routes: list[Route | None] = Field(default=[])


class Shaped:
    """What could be read of the file, and which paths have a gap at or below them."""

    def __init__(self, file: File, gaps: Iterable[KeyPath]) -> None:
        self.file = file
        self._above_gaps = {gap[:length] for gap in gaps for length in range(len(gap) + 1)}

    def whole(self, path: KeyPath) -> bool:
        """Whether everything at and below ``path`` was read."""
        return path not in self._above_gaps


def shape(document: Document) -> Shaped:
    """The file as far as it can be read; what cannot is added to the document's mistakes."""
    gaps: list[KeyPath] = []
    data = _data(document.root, (), gaps)
    model: type[File] = File
    for _ in range(_PASSES):
        try:
            return Shaped(model.model_validate(data), gaps)
        except pydantic.ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            if model is File:
                _tell(detail, document)
            path = detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]
            _take_out(data, path)
            gaps.append(path)
        model = _Remainder
    return Shaped(_Remainder.model_validate({}), [()])


def _data(node: tree.Node, path: KeyPath, gaps: list[KeyPath]) -> Any:
    """The tree as dicts, lists and text; unreadable scalars are left out. Every container is a new one, aliases included."""
    if isinstance(node, tree.Mapping):
        taken = {}
        for key, (_, child) in node.entries.items():
            if isinstance(child, tree.Scalar) and child.text is None:
                gaps.append((*path, key))
            else:
                taken[key] = child.text if isinstance(child, tree.Scalar) else _data(child, (*path, key), gaps)
        return taken
    if isinstance(node, tree.Sequence):
        return [_data(child, (*path, index), gaps) for index, child in enumerate(node.items)]
    if node.text is None:
        gaps.append(path)
    return node.text


def _take_out(data: Any, path: KeyPath) -> None:
    for part in path[:-1]:
        data = data.get(part) if isinstance(data, dict) else data[int(part)] if isinstance(data, list) else None
    if isinstance(data, dict) and path:
        data.pop(path[-1], None)
    elif isinstance(data, list) and path:
        data[int(path[-1])] = None


def _tell(detail: ErrorDetails, document: Document) -> None:
    """One pydantic error in our words."""
    path, kind = detail["loc"], detail["type"]
    place = document.place(path)
    if kind == "missing":
        if document.node(path) is not None:
            return  # it is there, and its own mistake has been told
        words = f"is missing. {_meaning(path)}"
    elif kind == "extra_forbidden":
        place = document.key_place(path)
        words = _unknown(path, document)
    else:
        words = _words(detail, document)
    document.mistakes.add(place, path, words.rstrip())


def _words(detail: ErrorDetails, document: Document) -> str:
    given_, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case kind if kind == OWN_WORDS:
            return str(context["message"])
        case "literal_error":
            return _not_a_word(str(detail["loc"][-1]), str(given_), detail["loc"], document)
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"a mapping is needed here, and {given(given_)} is given. {_meaning(detail['loc'])}"
        case "list_type":
            return f"a list is needed here, and {given(given_)} is given. {_meaning(detail['loc'])}"
        case "too_short":
            return f"is empty; at least {context['min_length']} is needed. {_meaning(detail['loc'])}"
        case "too_long":
            return f"has {context['actual_length'] or 'too many'} entries; at most {context['max_length']} are allowed"
        case _:
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, and {given(given_)} is given"


def _not_a_word(key: str, word: str, path: KeyPath, document: Document) -> str:
    allowed = _literals(_annotation(path))
    return f"{word!r} is not allowed; {document.mistakes.nearest(word, allowed)}"


def _unknown(path: KeyPath, document: Document) -> str:
    part, key = _part(path[:-1]), str(path[-1])
    if part is File and key in NOT_SERVED:
        return "is not served by this version of headgate (remove it; see CHANGELOG.md)"
    known = [info.alias or name for name, info in part.model_fields.items()]
    return f"is no known key; {document.mistakes.nearest(key, known)}"


def _meaning(path: KeyPath) -> str:
    """What the key at ``path`` means, from the schema; empty for what the operator named."""
    if path and isinstance(path[-1], str):
        parent = _annotation(path[:-1])
        if isinstance(parent, type) and issubclass(parent, Part):
            field = _field(parent, path[-1])
            return "" if field is None else field.description or ""
    annotation = _annotation(path)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return (annotation.__doc__ or "").strip().split("\n")[0]
    return ""


def _field(part: type[Part], key: str) -> pydantic.fields.FieldInfo | None:
    return next((info for name, info in part.model_fields.items() if key == (info.alias or name)), None)


def _part(path: KeyPath) -> type[Part]:
    annotation: type[Part] = _annotation(path)
    assert issubclass(annotation, Part), "only mappings of the schema have unknown keys"
    return annotation


def _annotation(path: KeyPath) -> Any:
    """The type of the schema at ``path``."""
    annotation: Any = File
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, Part):
            field = _field(annotation, str(part))
            assert field is not None, "the schema complains of its own keys only"
            annotation = _bare(field.annotation)
        else:
            annotation = _item(annotation)
    return annotation


def _item(annotation: Any) -> Any:
    """The type of what a list or mapping of the schema holds; None where it holds nothing."""
    held = typing.get_args(annotation)
    return _bare(held[-1]) if held else None


def _bare(annotation: Any) -> Any:
    """Without what was annotated, and without None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return _bare(next(arg for arg in typing.get_args(annotation) if arg is not type(None)))
    return annotation


def _literals(annotation: Any) -> tuple[str, ...]:
    return tuple(str(arg) for arg in typing.get_args(annotation))
