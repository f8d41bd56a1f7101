"""The files of a configuration and their bytes: one file, or a directory's ``*.yaml`` and ``*.yml`` in name order. Knows no YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from proxy import limits

Sources = list[tuple[str, bytes]]
"""File (as it is shown to people) and content."""


class Unreadable(ValueError):
    """A file or directory could not be read; ``file`` says which, the text says why and what is allowed."""

    def __init__(self, file: Path, text: str) -> None:
        super().__init__(text)
        self.file = str(file)


def files(path: Path) -> list[Path]:
    """What ``read`` would read. A name that begins with a dot is left out: editors' copies and Kubernetes' ``..data`` are such."""
    if not path.is_dir():
        return [path]
    found = (entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml") and not entry.name.startswith("."))
    return sorted(found, key=lambda entry: entry.name)


def read(path: Path) -> Sources:
    """The bytes of every file; together at most ``limits.CONFIG_BYTES_MAX``. Raises Unreadable."""
    try:
        names = files(path)
    except OSError as error:
        raise Unreadable(path, f"cannot be read: {error.strerror}") from error
    if not names:
        raise Unreadable(path, "is a directory without a *.yaml or *.yml file; put at least one there")
    if len(names) > limits.CONFIG_FILES_MAX:
        raise Unreadable(path, f"has {len(names)} files; {limits.CONFIG_FILES_MAX} are allowed")
    sources: Sources = []
    left = limits.CONFIG_BYTES_MAX
    for name in names:
        try:
            with name.open("rb") as stream:
                data = stream.read(left + 1)
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror}") from error
        left -= len(data)
        if left < 0:
            raise Unreadable(
                name, f"makes the configuration larger than {limits.CONFIG_BYTES_MAX // 2**20} MiB; that is the most it may have"
            )
        sources.append((str(name), data))
    return sources


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 (hex) of ``parts``, each behind its length so that their borders count."""
    state = hashlib.sha256()
    for part in parts:
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.hexdigest()
