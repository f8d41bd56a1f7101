"""What the checks say of a file, and what they may ask about it. Knows where things stand, and no rule."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from proxy.config.merge import Document
from proxy.config.places import KeyPath
from proxy.config.shape import Shaped


class Report:
    """The file as far as it could be read, and the mistakes found in it."""

    def __init__(self, document: Document, shaped: Shaped) -> None:
        self.document = document
        self.file = shaped.file
        self.whole = shaped.whole

    def wrong(self, path: KeyPath, words: str) -> None:
        """The value at ``path`` is wrong."""
        self.document.mistakes.add(self.document.place(path), path, words)

    def wrong_key(self, path: KeyPath, words: str) -> None:
        """The key at the end of ``path`` is wrong, whatever its value."""
        self.document.mistakes.add(self.document.key_place(path), path, words)

    def has(self, path: KeyPath) -> bool:
        """Whether the file has something at ``path``, readable or not."""
        return self.document.node(path) is not None

    def names(self, path: KeyPath) -> tuple[str, ...]:
        """The keys of the mapping at ``path`` in the file, whether or not their values could be read."""
        return self.document.keys(path)

    def key_reads(self, path: KeyPath, read: Callable[[str], object]) -> bool:
        """Whether the key at the end of ``path`` is as ``read`` wants it; reported when it is not."""
        try:
            read(str(path[-1]))
        except ValueError as error:
            self.wrong_key(path, str(error))
            return False
        return True


class Once:
    """Values that may stand in one place only."""

    def __init__(self, report: Report, words: str) -> None:
        self._report = report
        self._words = words
        self._seen: dict[Hashable, KeyPath] = {}

    def take(self, value: Hashable, path: KeyPath) -> None:
        """Note that ``value`` stands at ``path``; the second place is reported and names the first."""
        first = self._seen.setdefault(value, path)
        if first is not path:
            self._report.wrong(path, f"{self._words} {self._report.document.place(first)}; remove or change one of the two")
