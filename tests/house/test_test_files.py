"""Every source file has a test file of its own name, in its place below tests/unit, or tests/integration if it is all I/O."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath

from tests.house.tree import ROOT, sources

NOUN = "frozen nouns without behaviour; every test of their users builds them"
UNTESTED: dict[str, str] = {
    "proxy/errors.py": "exceptions without behaviour; the tests of who raises them name them",
    "proxy/limits.py": "constants; each is tested where it bounds something",
    "proxy/config/part.py": "a base class without behaviour; the schema's tests read it through every part",
    "proxy/model/plan.py": NOUN,
    "proxy/model/rollout.py": NOUN,
}
"""``path`` -> why it has no test file."""

BY_NAME = {"__init__": "a package's face", "__main__": "three lines, started by every end-to-end test"}


def test_every_source_file_has_its_test_file() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}

    assert [] == untested((source.path for source in sources("proxy")), there, UNTESTED)


def test_every_untested_file_has_a_reason() -> None:
    assert [] == [path for path, reason in UNTESTED.items() if len(reason) < 20]


def test_a_source_without_a_test_is_found() -> None:
    assert ["proxy/wire/head.py: no tests/unit/wire/test_head.py"] == untested(["proxy/wire/head.py"], set(), {})


def test_a_source_with_a_test_is_not_found() -> None:
    files = ["proxy/wire/head.py", "proxy/clock.py", "proxy/wire/__init__.py"]
    there = {"tests/unit/wire/test_head.py", "tests/integration/test_clock.py"}

    assert [] == untested(files, there, {})


def test_an_exemption_that_nothing_needs_is_found() -> None:
    excuse = {"proxy/clock.py": "it cannot be tested"}

    assert ["proxy/clock.py: is exempt and need not be"] == untested(["proxy/clock.py"], {"tests/unit/test_clock.py"}, excuse)


def untested(files: Iterable[str], there: Container[str], exempt: Mapping[str, str]) -> list[str]:
    """Sources (paths from the root) without a test file, and exemptions that are not needed."""
    found = []
    bare = set()
    for path in files:
        inside = PurePosixPath(path).relative_to("proxy")
        wanted = [f"tests/{kind}/{inside.with_name(f'test_{inside.name}').as_posix()}" for kind in ("unit", "integration")]
        if inside.stem in BY_NAME or any(name in there for name in wanted):
            continue
        bare.add(path)
        if path not in exempt:
            found.append(f"{path}: no {wanted[0]}")
    return found + [f"{path}: is exempt and need not be" for path in exempt if path not in bare]
