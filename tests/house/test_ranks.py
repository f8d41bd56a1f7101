"""Imports go down only, equals do not know each other, libraries stay at home, and a worker starts light."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.house.ranks import APART, EQUALS, FREE, NEVER_IN_A_WORKER, RANKS, home_findings, rank_findings
from tests.house.tree import ROOT, Source, sources

WORKER_ROOTS = ("proxy.dataplane.plane", "proxy.supervisor.worker")


def test_imports_go_down_by_rank_only() -> None:
    assert [] == rank_findings(sources("proxy"))


def test_every_library_is_imported_at_home_only() -> None:
    assert [] == home_findings(sources("proxy"))


def test_every_package_has_a_rank() -> None:
    there = {path.stem for path in (ROOT / "proxy").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert set() == there - set(RANKS) - {"__init__"}


@pytest.mark.parametrize("root", WORKER_ROOTS)
def test_a_worker_imports_none_of_the_control_planes_libraries(root: str) -> None:
    assert "" == heavy_after_import(root)


def heavy_after_import(module: str) -> str:
    """The forbidden libraries that a fresh interpreter holds after importing ``module``, comma-separated."""
    code = (
        f"import sys, {module}\n"
        f"print(','.join(sorted({set(NEVER_IN_A_WORKER)!r} & set(sys.modules))))"
    )  # fmt: skip
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("proxy/wire/x.py", "from proxy.routing.table import Table", "imports go down"),
        ("proxy/wire/x.py", "def f() -> None:\n    import proxy.control", "imports go down"),
        ("proxy/rollout/x.py", "from proxy.store import Store", "equals do not know each other"),
        ("proxy/wire/x.py", "from ..dataplane import plane", "imports go down"),
        ("proxy/tasks.py", "from proxy import errors", "equals do not know each other"),
        ("proxy/control/x.py", "from proxy import dataplane", "the planes share two messages"),
        ("proxy/odds/x.py", "from proxy import errors", "has no rank"),
        ("proxy/cli/x.py", "import proxy.ends.x", "has no rank"),
    ],
)
def test_an_import_that_does_not_go_down_is_found(path: str, text: str, reason: str) -> None:
    found = rank_findings([Source.of(path, text)])

    assert 1 == len(found)
    assert reason in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "from proxy import __version__, errors",
        "from proxy.wire import head",
        "from .other import thing",
        "import asyncio",
    ],
)
def test_an_import_that_goes_down_is_not_found(text: str) -> None:
    assert [] == rank_findings([Source.of("proxy/wire/x.py", text)])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proxy/wire/x.py", "import uvloop"),
        ("proxy/control/x.py", "from sqlite3 import connect"),
        ("proxy/dataplane/x.py", "import aiohttp.web"),
        ("proxy/cli/x.py", "import requests"),
        ("proxy/errors.py", "import mmh3"),
    ],
)
def test_a_library_away_from_home_is_found(path: str, text: str) -> None:
    assert 1 == len(home_findings([Source.of(path, text)]))


def test_a_heavy_library_in_a_worker_is_found() -> None:
    assert "yaml" == heavy_after_import("yaml")


def test_exceptions_name_packages_that_exist() -> None:
    named = {name for pair in [*EQUALS, *APART] for name in pair} | set(FREE)

    assert set() == {name for name in named if importlib.util.find_spec(f"proxy.{name}") is None}
