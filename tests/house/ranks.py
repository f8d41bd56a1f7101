"""Who may import whom, as data. Imports go down by rank only; equals do not know each other; a library has a home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator

from tests.house.tree import Source

RANKS: dict[str, int] = {
    "errors": 0, "clock": 0, "limits": 0, "tasks": 0,
    "wire": 1, "model": 1, "telemetry": 1,
    "routing": 2, "analysis": 2,
    "dataplane": 3, "config": 3, "store": 3, "rollout": 3, "shadow": 3,
    "simulation": 4,
    "control": 5,
    "admin": 6,
    "supervisor": 7, "cli": 7,
    "__main__": 8,
}  # fmt: skip

FREE = {"limits": "numbers only: every package reads its own bounds there"}
"""Packages that anybody may import, their equals too, with the reason."""

EQUALS = {("cli", "supervisor"): "the verb `run` starts it"}
"""Pairs of one rank of which the first may import the second, with the reason."""

APART = {
    ("control", "dataplane"): "the planes share two messages and nothing else",
    ("admin", "dataplane"): "the planes share two messages and nothing else",
}
"""Pairs that the ranks would allow and the design does not."""

HOMES: dict[str, set[str] | None] = {
    "uvloop": {"dataplane", "supervisor"},
    "httptools": {"dataplane", "supervisor", "wire"},
    "aiohttp": {"admin", "control"},
    "yaml": {"config"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "sqlite3": {"store"},
    "prometheus_client": {"admin"},
    "click": {"cli"},
    "rich": {"cli"},
    "mmh3": {"routing"},
    "opentelemetry": {"dataplane"},  # by the thread that exports, when tracing is on
    "pycares": {"dataplane"},  # when an endpoint is a host name
    "structlog": {"telemetry", "control", "supervisor", "cli"},
    "msgspec": None,  # anywhere: it is how our nouns are written
}
"""Library -> packages that may import it. A library that is not here belongs nowhere yet."""

NEVER_IN_A_WORKER = ("yaml", "pydantic", "aiohttp", "sqlite3", "click", "rich", "prometheus_client")
"""What would cost a worker start-up time and memory for nothing."""


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import, those inside functions and for type checkers too: knowing is knowing."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, name) for name in _from(source, node))


def _from(source: Source, node: ast.ImportFrom) -> list[str]:
    base = node.module or ""
    if node.level:
        parts = source.module.split(".")
        keep = len(parts) - node.level + source.path.endswith("__init__.py")
        base = ".".join([*parts[:keep], *([base] if base else [])])
    # `from proxy import limits` imports the module proxy.limits; deeper than that the base says enough.
    return [f"{base}.{alias.name}" for alias in node.names] if base == "proxy" else [base]


def why_not(importer: str, imported_package: str) -> str:
    """Why package ``importer`` may not import ``imported_package``; empty when it may."""
    unranked = [name for name in (importer, imported_package) if name not in RANKS]
    if unranked:
        return f"proxy/{unranked[0]} has no rank; give it one in tests/house/ranks.py and ARCHITECTURE.md"
    if importer == imported_package or imported_package in FREE or (importer, imported_package) in EQUALS:
        return ""
    if reason := APART.get((importer, imported_package)):
        return reason
    mine, its = RANKS[importer], RANKS[imported_package]
    if mine == its:
        return f"both are of rank {mine}, and equals do not know each other"
    return f"imports go down: {importer} is rank {mine}, {imported_package} rank {its}" if mine < its else ""


def rank_findings(files: Iterable[Source]) -> list[str]:
    """Imports inside ``proxy`` that do not go down."""
    found = []
    for source in files:
        for line, module in imported(source):
            parts = module.split(".")
            if parts[0] != "proxy" or len(parts) < 2 or parts[1] == "__version__" or not source.package:
                continue
            if reason := why_not(source.package, parts[1]):
                found.append(f"{source.path}:{line}: imports {module}: {reason}")
    return found


def home_findings(files: Iterable[Source]) -> list[str]:
    """Libraries imported outside of their homes, or without one."""
    found = []
    for source in files:
        for line, module in imported(source):
            library = module.split(".")[0]
            if library == "proxy" or (library in sys.stdlib_module_names and library not in HOMES):
                continue
            homes = HOMES.get(library, set())
            if homes is not None and source.package not in homes:
                where = f"its home is {', '.join(sorted(homes))}" if homes else "it has no home in tests/house/ranks.py"
                found.append(f"{source.path}:{line}: imports {library}: {where}")
    return found
