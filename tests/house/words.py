"""Words and calls that are not used here, each with what is used instead. The tables are data; the checks read them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.house.tree import Source, aliases_of, dotted

JUNK_DRAWERS = ("utils", "util", "helpers", "helper", "common", "manager", "managers", "misc")
"""Module names that say nothing about what is inside."""


@dataclass(frozen=True)
class Ban:
    """``name`` (dotted) is not used below ``where``, except below ``but``; ``instead`` is what to use."""

    name: str
    instead: str
    where: tuple[str, ...] = ("proxy/",)
    but: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Whether the ban holds for a file."""
        return path.startswith(self.where) and not path.startswith(self.but)


CLOCK = "take the time as an argument, or a proxy.clock.Clock"
TASK = "proxy.tasks.TaskGroup.spawn: a task has an owner and its failure is seen"
WAIT = "await the condition (tests/kit polls with a bound), or move a ManualClock"

BANS = (
    *(
        Ban(f"time.{name}", CLOCK, but=("proxy/clock.py",))
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime")
    ),
    Ban("time.perf_counter", CLOCK, but=("proxy/clock.py", "proxy/dataplane/")),
    Ban("datetime.datetime.now", CLOCK),
    Ban("datetime.datetime.utcnow", CLOCK),
    Ban("time.sleep", "a timer of the loop: nothing here may block", but=("proxy/cli/",)),
    Ban("asyncio.create_task", TASK, where=("proxy/", "tests/kit/")),
    Ban("asyncio.ensure_future", TASK, where=("proxy/", "tests/kit/")),
    Ban("print", "a log line, or an answer; only cli speaks to a terminal", but=("proxy/cli/",)),
    Ban("time.sleep", WAIT, where=("tests/",), but=("tests/kit/",)),
    Ban("asyncio.sleep", WAIT, where=("tests/",), but=("tests/kit/",)),
)

METHOD_BANS = (Ban("create_task", TASK, but=("proxy/tasks.py",)),)
"""Methods banned whatever the object is called."""


def word_findings(files: Iterable[Source]) -> list[str]:
    """Every use of what is banned."""
    return [f"{source.path}:{line}: {text}" for source in files for line, text in _in_file(source)]


def _in_file(source: Source) -> Iterator[tuple[int, str]]:
    stem = PurePosixPath(source.path).stem
    drawers = {*PurePosixPath(source.path).parts, stem, stem.removeprefix("test_")} & set(JUNK_DRAWERS)
    yield from ((1, f"{name}: name it after what is inside") for name in sorted(drawers))
    yield from _names(source)
    yield from _handlers(source)
    yield from _comments(source)


def _names(source: Source) -> Iterator[tuple[int, str]]:
    aliases = aliases_of(source.tree)
    turns = {  # asyncio.sleep(0) gives the loop a turn and waits for nothing
        id(node.func)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.args[0]) == "0"
    }
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute | ast.Name) or id(node) in turns:
            continue
        name = dotted(node, aliases)
        for ban in BANS:
            if ban.name == name and ban.covers(source.path):
                yield node.lineno, f"{ban.name}: use {ban.instead}"
        for ban in METHOD_BANS:
            method = isinstance(node, ast.Attribute) and node.attr == ban.name
            if method and ban.covers(source.path) and not name.startswith("asyncio."):  # those are named above
                yield node.lineno, f".{ban.name}: use {ban.instead}"


def _handlers(source: Source) -> Iterator[tuple[int, str]]:
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno, "except: name what may be raised"
            elif ast.unparse(node.type) in ("Exception", "BaseException") and "#" not in lines[node.lineno - 1]:
                yield node.lineno, f"except {ast.unparse(node.type)}: say on the line why everything is caught"


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        for word in ("type: ignore", "noqa"):
            if re.search(rf"#\s*{word}", token.string) and not _excused(token.string, word):
                yield token.start[0], f"# {word}: give the code and, after another #, the reason"


def _excused(comment: str, word: str) -> bool:
    code = r"\[[\w, -]+\]" if word == "type: ignore" else r":\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*"
    return re.search(rf"#\s*{word}{code}\s*#\s*\S.{{5,}}", comment) is not None
