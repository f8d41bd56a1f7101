"""Accounts of a process and its children, from a made-up /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest import cpu


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """10 is the parent of 11 (two threads), 11 of 12 (a name with brackets, no schedstat); 20 is a stranger."""
    for pid, parent, name in ((10, 1, "supervisor"), (11, 10, "worker"), (12, 11, "odd) (name"), (20, 1, "stranger")):
        (tmp_path / str(pid) / "task" / str(pid)).mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} " + "0 " * 9 + "3 4 0 0")
    for thread, ns in (("10/task/10", 5), ("11/task/11", 700), ("20/task/20", 9000)):
        (tmp_path / thread / "schedstat").write_text(f"{ns} 1 1\n")
    (tmp_path / "11/task/99").mkdir()
    (tmp_path / "11/task/99/schedstat").write_text("20 1 1\n")
    (tmp_path / "stat").write_text("cpu 9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 100 100 4 5 6 0 0\n")
    return tmp_path


def test_a_family_is_all_living_descendants(proc: Path) -> None:
    assert [10, 11, 12] == cpu.family(10, proc)


def test_every_thread_of_every_descendant_counts(proc: Path) -> None:
    assert 5 + 700 + 20 + 7 * cpu.TICK_NS == cpu.cpu_ns(10, proc)


def test_a_core_is_busy_with_all_but_idle_and_waiting(proc: Path) -> None:
    assert cpu.CoreTime(busy_ns=15 * cpu.TICK_NS, stolen_ns=6 * cpu.TICK_NS) == cpu.CoreTime.read(0, proc)
