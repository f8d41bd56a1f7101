"""A file over 400 lines or a function over 60 wants splitting, or a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tests.house.tree import Source

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

LARGE: dict[str, str] = {}
"""``path`` or ``path:function`` -> the single thing that cannot be cut."""


def size_findings(files: Iterable[Source], large: Mapping[str, str]) -> list[str]:
    """What is too long and not excused, and excuses that nothing needs any more."""
    over = {}
    for source in files:
        lines = source.text.count("\n")
        if lines > FILE_LINES_MAX:
            over[source.path] = f"{lines} lines; {FILE_LINES_MAX} at most"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    over[f"{source.path}:{node.name}"] = f"{length} lines; {FUNCTION_LINES_MAX} at most"
    found = [f"{place}: {text}" for place, text in over.items() if place not in large]
    return found + [f"{place}: is not too long any more; remove its excuse" for place in large if place not in over]
