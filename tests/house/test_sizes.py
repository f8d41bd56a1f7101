"""No file and no function has outgrown what can be read in one go."""

from __future__ import annotations

from tests.house.sizes import LARGE, size_findings
from tests.house.tree import Source, sources

LONG_FILE = "x = 1\n" * 401
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 60


def test_no_file_and_no_function_is_too_long() -> None:
    assert [] == size_findings(sources("proxy", "loadtest", "tests"), LARGE)


def test_every_excuse_has_a_reason() -> None:
    assert [] == [place for place, reason in LARGE.items() if len(reason) < 20]


def test_a_file_of_401_lines_is_found() -> None:
    assert ["proxy/x.py: 401 lines; 400 at most"] == size_findings([Source.of("proxy/x.py", LONG_FILE)], {})


def test_a_function_of_61_lines_is_found() -> None:
    assert ["proxy/x.py:f: 61 lines; 60 at most"] == size_findings([Source.of("proxy/x.py", LONG_FUNCTION)], {})


def test_an_excused_file_is_not_found() -> None:
    assert [] == size_findings([Source.of("proxy/x.py", LONG_FILE)], {"proxy/x.py": "one invariant"})


def test_an_excuse_that_nothing_needs_is_found() -> None:
    found = size_findings([Source.of("proxy/x.py", "x = 1\n")], {"proxy/x.py": "one invariant"})

    assert ["proxy/x.py: is not too long any more; remove its excuse"] == found
