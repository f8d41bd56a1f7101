"""Pages and pictures from made-up results; nothing is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtest import plots, publish, report
from loadtest.compare import Result
from loadtest.faults import RigError
from loadtest.scenarios import SCENARIOS
from loadtest.turns import Turn

ABOUT = {
    "taken": "2026-01-02T03:04:05+00:00",
    "processor": "a processor",
    "cores": 2,
    "kernel": "6.1",
    "python": "3.11.1",
    "commit": "abc1234",
    "versions": {"haproxy": "2.6.12", "uvloop-relay": ""},
    "rounds": 1,
    "seconds": 2,
}


def turn(cpu_us: float) -> Turn:
    return Turn(cpu_us, per_second=1e6 / cpu_us, p50_ms=1.0, p99_ms=2.0, memory_mib=10.0, foreign=0.0, stolen=0.0)


def document(name: str, **figures: float) -> dict[str, Any]:
    return report.document(Result(SCENARIOS[name], {who: [turn(value)] for who, value in figures.items()}), ABOUT)


def test_the_summary_has_a_row_a_scenario() -> None:
    results = [report.read(document("small-get", headgate=15.0, haproxy=10.0)), report.read(document("tls", headgate=30.0, nginx=20.0))]

    assert [
        "| scenario | headgate | haproxy | nginx |",
        "| --- | ---: | ---: | ---: |",
        "| small-get | 15.0 CPU us/request | 1.50 | - |",
        "| tls | 30.0 CPU us/request | - | 1.50 |",
    ] == publish.summary(results).splitlines()


def test_a_page_says_what_it_was_taken_on_once() -> None:
    text = publish.page([document("small-get", headgate=15.0), document("tls", headgate=15.0)])

    assert 1 == text.count(
        "Taken 2026-01-02 03:04 UTC on 2 cores of a processor, Linux 6.1, Python 3.11.1, commit abc1234. haproxy 2.6.12."
    )


def test_the_latest_run_is_what_is_reported_unless_files_are_named(tmp_path: Path) -> None:
    for taken in ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"):
        for name in ("tls", "small-get"):
            publish.keep({**document(name, headgate=15.0), "taken": taken}, tmp_path)

    found = publish.load([], tmp_path)

    assert [("small-get", 2), ("tls", 2)] == [(each["scenario"]["name"], int(each["taken"][9])) for each in found]


@pytest.mark.parametrize("text", ["", "{}", '{"scenario": {"name": "soak"}, "turns": {}}', '{"scenario": 3, "turns": 4}'])
def test_another_file_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)

    with pytest.raises(RigError, match=r"other\.json: not a result"):
        publish.load([path])


def test_no_results_are_no_report(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="there are no results"):
        publish.load([], tmp_path)


def test_the_readme_is_written_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")

    publish.into_readme([document("small-get", headgate=15.0, haproxy=10.0)], readme, tmp_path / "figures.svg")

    before, _, rest = readme.read_text().partition(publish.BEGIN)
    between, _, after = rest.partition(publish.END)
    assert ("before\n", "\nafter\n", False, True) == (before, after, "old" in between, "| haproxy | 10.0 (10.0-10.0) |" in between)


def test_a_readme_without_marks_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing")

    with pytest.raises(RigError):
        publish.into_readme([document("small-get", headgate=15.0)], readme, tmp_path / "figures.svg")


def test_the_readme_of_the_project_has_its_marks() -> None:
    text = publish.README.read_text(encoding="utf-8")

    assert 0 < text.index(publish.BEGIN) < text.index(publish.END)


def test_headgate_stands_out_in_the_picture() -> None:
    result = report.read(document("small-get", headgate=15.0, haproxy=10.0, **{"c-relay": 5.0}))

    assert [plots.OURS, plots.THEIRS, plots.FLOOR] == [colour for *_, colour in plots.bars(result)]


@pytest.mark.skipif(bool(plots.missing()), reason="matplotlib is not installed")
def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    result = report.read(json.loads(json.dumps(document("small-get", headgate=15.0, haproxy=10.0))))
    plots.draw([result], tmp_path / "one.svg")
    plots.draw([result], tmp_path / "two.svg")

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
