"""The project as text: its Python sources parsed once, and the files git tracks. Knows none of the rules."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__", "results", "state"}


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root (``proxy/wire/head.py``), text and syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        """Parse ``text`` as if it stood at ``path``; how the tests feed a bad sample to a rule."""
        return cls(path, text, ast.parse(text, path))

    @property
    def module(self) -> str:
        """The dotted name (``proxy.wire.head``; a package's ``__init__`` is the package)."""
        return ".".join(Path(self.path).with_suffix("").parts).removesuffix(".__init__")

    @property
    def package(self) -> str:
        """The part of ``proxy`` it is in (``wire``, or ``errors`` for ``proxy/errors.py``); empty outside of ``proxy``."""
        parts = self.module.split(".")
        return parts[1] if parts[0] == "proxy" and len(parts) > 1 else ""


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below the folders (from the root), in order of path."""
    return tuple(
        Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not NOT_OURS & set(path.parts[len(ROOT.parts) :])
    )


def tracked_files() -> list[Path]:
    """Files under version control; without git (an unpacked archive), every file that is not built or cached."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=30).stdout
        return [ROOT / name for name in listing.decode().split("\0") if name and (ROOT / name).is_file()]
    return list(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_OURS or path.name.endswith((".egg-info", "_cache")):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def text_of(path: Path) -> str:
    """The file as text; what is not UTF-8 (a picture) comes back empty, for no rule reads it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    """``loop.time`` for such an expression, its first name as it was imported; empty for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([aliases.get(node.id, node.id), *reversed(names)])


def aliases_of(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted name, for every import of the file wherever it stands."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({(a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0]) for a in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    return found
