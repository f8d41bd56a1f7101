"""Every kind of record that the code makes is known: notifications could not be about it otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from proxy.model.kinds import RECORD_KINDS

PROXY = Path(__file__).parents[3] / "proxy"
MAKERS = {"note", "Record"}


def made(tree: ast.AST) -> Iterator[str]:
    """The kinds that a source file names: first arguments of what makes records, and whatever is called ``kind``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from texts(node.args[:1] if name in MAKERS else [])
            yield from texts([keyword.value for keyword in node.keywords if keyword.arg == "kind" and name not in ("RecentEvent",)])
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in ("kind", "_KINDS") for t in node.targets):
            yield from texts([node.value])


def texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Compare):
            continue
        if isinstance(node, ast.IfExp):
            yield from texts([node.body, node.orelse])
        elif isinstance(node, ast.Dict):
            yield from texts(node.values)
        elif isinstance(node, ast.Call):
            yield from texts(node.args[1:])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_kind_that_the_machine_and_the_loop_make_is_known() -> None:
    files = [*(PROXY / "rollout").glob("*.py"), PROXY / "control" / "decisions.py", PROXY / "control" / "undoing.py"]
    kinds = {kind for file in files for kind in made(ast.parse(file.read_text(encoding="utf-8")))}

    assert set() == kinds - set(RECORD_KINDS)


def test_a_kind_that_is_not_known_is_found() -> None:
    source = 'note("warped", 1)\nf(kind="bent")\nkind = KINDS.get(x, "torn") if y else "lost"\n'

    assert {"warped", "bent", "torn", "lost"} == set(made(ast.parse(source)))
