"""Where a thing stands in the configuration, and what is wrong there. Knows nothing of YAML or of what the keys mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from proxy import limits
from proxy.errors import OperatorError

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the root: ``("services", "shop", "rollout", "steps", 2, "weight")``."""

OVERRIDE: Final = "--set"
"""Stands for the file where a value came from the command line."""

_GUESSED_FROM: Final = 1_000  # names that a wrong one is compared with
_LISTED: Final = 20  # names told when one is wrong

_BARE_KEY: Final = re.compile(r"[^.\[\]\"=\s]+")
_PATH_PART: Final = re.compile(r'(?:^|\.)(?:"([^"]*)"|([^.\[\]"=\s]+))|\[([0-9]{1,6})\]')


class Place(NamedTuple):
    """A position in a file; ``line`` and ``column`` count from 1, and are 0 where there is no such thing (``--set``)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Mistake(NamedTuple):
    """One thing that is wrong: where, at which key, and what is allowed instead."""

    file: str
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        place = Place(self.file, self.line, self.column)
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigInvalid(OperatorError):
    """The configuration cannot be used. ``mistakes`` are sorted by position; the text of the error is all of them, one a line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        ordered = sorted(set(mistakes), key=lambda m: (m.line == 0, m.file, m.line, m.column, m.key, m.text))
        assert ordered, "an invalid configuration has a mistake"
        self.mistakes: tuple[Mistake, ...] = tuple(ordered[: limits.CONFIG_MISTAKES_MAX])
        self.untold = len(ordered) - len(self.mistakes)
        lines = [str(mistake) for mistake in self.mistakes]
        if self.untold:
            lines.append(f"and {self.untold} more mistakes")
        super().__init__("\n".join(lines))


class Mistakes:
    """The mistakes found so far in one run; grows with the configuration, which is bounded, and is cut where it is told."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, place: Place, path: KeyPath, text: str) -> None:
        """Note that ``text`` is wrong at ``place``."""
        self.found.append(Mistake(place.file, place.line, place.column, shown(path), text))

    def nearest(self, word: str, allowed: Iterable[str]) -> str:
        """``did you mean X? Allowed: X, Y``. Nothing is guessed once more mistakes are known than are told: guessing is slow."""
        known = list(allowed)
        guess = len(self.found) < limits.CONFIG_MISTAKES_MAX
        close = difflib.get_close_matches(word, known[:_GUESSED_FROM], n=1) if guess else []
        listed = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
        return f"did you mean {close[0]}? Allowed: {listed}" if close else f"allowed: {listed or 'nothing'}"

    def raise_if_any(self) -> None:
        """Raise ConfigInvalid when there is a mistake."""
        if self.found:
            raise ConfigInvalid(self.found)


def shown(path: Sequence[str | int]) -> str:
    """A key path as people write it: ``services.shop.rollout.steps[2].weight``; a key with a dot in it stands in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
        text += f".{key}" if text else key
    return text


def parsed(text: str) -> KeyPath:
    """The key path that ``shown`` would print as ``text``; ValueError when it is none."""
    path: list[str | int] = []
    at = 0
    while at < len(text):
        part = _PATH_PART.match(text, at)
        if part is None or part.end() == at or (at == 0 and text[0] in ".["):
            raise ValueError("is not a key path; write it like services.shop.rollout.steps[2].weight")
        quoted, bare, index = part.groups()
        path.append(int(index) if index is not None else quoted if quoted is not None else bare)
        at = part.end()
    if not path:
        raise ValueError("is empty; write a key path like services.shop.target")
    return tuple(path)
