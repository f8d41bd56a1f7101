"""Every rule of HTTP has a number and a sentence, and each is named by a case of the corpus or by a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from tests.house.tree import ROOT, Source, sources

CORPUS = ROOT / "tests" / "conformance"
RULES: dict[int, str] = yaml.safe_load((CORPUS / "rules.yaml").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = [
    case for path in sorted((CORPUS / "framing" / "cases").glob("*.yaml")) for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
NAMED = re.compile(r"\b[Rr]ules? (\d+(?:(?:, | and |-| to )\d+)*)")


def test_the_rules_are_numbered_without_a_gap() -> None:
    assert list(range(1, 43)) == list(RULES)


def test_every_rule_is_named_by_a_case_or_by_a_test() -> None:
    held = {case["rule"] for case in CASES} | named_by_tests(sources("tests"))

    assert [] == [f"{number}: {sentence}" for number, sentence in RULES.items() if number not in held]


def test_no_case_and_no_test_names_a_rule_that_is_not_there() -> None:
    assert set() == ({case["rule"] for case in CASES} | named_by_tests(sources("tests"))) - set(RULES)


def test_no_two_cases_have_one_name() -> None:
    for path in sorted((CORPUS / "framing" / "cases").glob("*.yaml")):
        names = [case["name"] for case in yaml.safe_load(path.read_text(encoding="utf-8"))]

        assert [] == sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("Rule 36: at once.", {36}), ("Rules 37 and 41.", {37, 41}), ("(rules 5, 6, 12-14)", {5, 6, 12, 13, 14}), ("Ruler 9.", set())],
)
def test_numbers_are_read_from_a_docstring(text: str, numbers: set[int]) -> None:
    assert numbers == numbers_in(text)


def test_only_a_test_holds_a_rule() -> None:
    sample = 'def test_x() -> None:\n    """Rule 7."""\n\ndef other() -> None:\n    """Rule 8."""\n'

    assert {7} == named_by_tests([Source.of("tests/unit/test_x.py", sample)])


def named_by_tests(files: Iterable[Source]) -> set[int]:
    """Numbers in the docstrings of tests, this file's own left out."""
    found: set[int] = set()
    for source in files:
        if source.path.startswith("tests/house/"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found |= numbers_in(ast.get_docstring(node) or "")
    return found


def numbers_in(text: str) -> set[int]:
    """``Rules 5, 12-14 and 24`` names five."""
    found: set[int] = set()
    for run in NAMED.findall(text):
        for part in re.split(r", | and ", run):
            first, last = (re.split(r"-| to ", part) * 2)[:2]
            found |= set(range(int(first), int(last) + 1))
    return found
