from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import merge, scalars
from proxy.config.report import Once, Report
from proxy.config.shape import shape


@pytest.fixture
def report(tmp_path: Path) -> Report:
    (tmp_path / "f.yaml").write_text("services:\n  shop:\n    versions: {v1: 1}\n")
    document = merge.read(tmp_path / "f.yaml", env={})
    shaped = shape(document)
    document.mistakes.found.clear()
    return Report(document, shaped)


def places(report: Report) -> list[tuple[int, int]]:
    return [(mistake.line, mistake.column) for mistake in report.document.mistakes.found]


def test_a_wrong_value_and_a_wrong_key_have_their_own_places(report: Report) -> None:
    path = ("services", "shop", "versions", "v1")
    report.wrong(path, "x")
    report.wrong_key(path, "x")

    assert [(3, 20), (3, 16)] == places(report)


def test_names_are_those_of_the_file_even_where_values_were_refused(report: Report) -> None:
    assert (("v1",), True, False) == (
        report.names(("services", "shop", "versions")),
        report.has(("services", "shop", "versions", "v1")),
        report.has(("services", "shop", "target")),
    )


def test_a_key_that_does_not_read_is_reported_at_the_key(report: Report) -> None:
    assert report.key_reads(("services", "shop"), scalars.name)
    assert not report.key_reads(("services", "shop"), scalars.method)
    assert [(2, 3)] == places(report)


def test_the_second_place_of_a_value_names_the_first(report: Report) -> None:
    once = Once(report, "is given already, at")
    once.take("a", ("services", "shop"))
    once.take("b", ("services",))
    once.take("a", ("services", "shop", "versions", "v1"))

    (mistake,) = report.document.mistakes.found
    assert (3, 20) == (mistake.line, mistake.column)
    assert mistake.text.endswith("f.yaml:3:5; remove or change one of the two")
