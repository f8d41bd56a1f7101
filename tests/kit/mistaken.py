"""What is refused in a configuration."""

from __future__ import annotations

from pathlib import Path

from proxy.config import ConfigInvalid, load


def refused(folder: Path, text: str, below: str = "") -> list[str]:
    """The keys that are refused in a file with this text, without ``below`` before them; none when it is accepted."""
    file = folder / "f.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file, env={})
    except ConfigInvalid as error:
        return [mistake.key.removeprefix(below) for mistake in error.mistakes]
    return []
