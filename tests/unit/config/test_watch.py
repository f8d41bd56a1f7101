from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy import limits
from proxy.clock import ManualClock
from proxy.config import Watcher


class Watched:
    """A watcher and the clock it lives by."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.watcher = Watcher(path, lambda: None, clock=self.clock)

    def looks(self, count: int) -> list[bool]:
        """That many quick looks, with their time between."""
        seen = []
        for _ in range(count):
            self.clock.advance(limits.CONFIG_QUICK_LOOK_S)
            seen.append(self.watcher.look())
        return seen

    def fired(self, looks: int = 4) -> int:
        """How often it fired in the looks that follow; fewer of them than it takes to get to a slow look."""
        return sum(self.looks(looks))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "headgate.yaml"
    path.write_text("a: 1\n")
    return path


def replace(path: Path, text: str) -> None:
    """As editors do: a new file, renamed over the old one."""
    new = path.with_name("new~")
    new.write_text(text)
    new.replace(path)


def test_nothing_fires_while_nothing_changes(file: Path) -> None:
    assert 0 == Watched(file).fired(50)


def test_a_rewrite_in_place_fires_once(file: Path) -> None:
    watched = Watched(file)
    file.write_text("a: 23\n")

    assert 1 == watched.fired(50)


def test_a_rename_over_the_file_fires_once(file: Path) -> None:
    watched = Watched(file)
    replace(file, "a: 2\n")

    assert 1 == watched.fired(50)


def test_a_second_rename_fires_again(file: Path) -> None:
    watched = Watched(file)
    replace(file, "a: 2\n")
    watched.fired()
    replace(file, "a: 3\n")

    assert 1 == watched.fired(50)


def test_a_change_is_noticed_by_the_second_look(file: Path) -> None:
    watched = Watched(file)
    replace(file, "a: 2\n")

    assert [False, True] == watched.looks(2)


def test_a_touch_without_a_change_does_not_fire(file: Path) -> None:
    watched = Watched(file)
    os.utime(file, ns=(1, 1))

    assert 0 == watched.fired(50)


def test_a_rename_to_the_same_content_does_not_fire(file: Path) -> None:
    watched = Watched(file)
    replace(file, "a: 1\n")

    assert 0 == watched.fired(50)


def test_a_half_written_file_is_left_to_settle(file: Path) -> None:
    watched = Watched(file)
    seen = []
    for length in range(1, 6):
        file.write_text("abcdefgh"[: length + 3])
        seen += watched.looks(1)

    assert ([False] * 5, [True]) == (seen, watched.looks(1))


def test_a_change_that_is_taken_back_does_not_fire(file: Path) -> None:
    watched = Watched(file)
    replace(file, "a: 2\n")
    watched.looks(1)
    replace(file, "a: 1\n")

    assert 0 == watched.fired(50)


def test_a_file_that_vanishes_for_a_moment_fires_when_it_is_back_with_other_content(file: Path) -> None:
    watched = Watched(file)
    file.unlink()
    gone = watched.fired(50)
    file.write_text("a: 2\n")

    assert (0, 1) == (gone, watched.fired(50))


def test_a_file_that_vanishes_and_comes_back_the_same_does_not_fire(file: Path) -> None:
    watched = Watched(file)
    file.unlink()
    watched.fired()
    file.write_text("a: 1\n")

    assert 0 == watched.fired(50)


def test_a_file_that_was_emptied_is_not_taken_for_a_change(file: Path) -> None:
    watched = Watched(file)
    file.write_text("")

    assert 0 == watched.fired(50)


def test_a_swapped_directory_symlink_fires(tmp_path: Path) -> None:
    """As Kubernetes updates a ConfigMap: headgate.yaml -> ..data/headgate.yaml, and ..data is swapped as a whole."""
    for revision in ("..one", "..two"):
        (tmp_path / revision).mkdir()
        (tmp_path / revision / "headgate.yaml").write_text(f"a: {revision}\n")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "headgate.yaml").symlink_to("..data/headgate.yaml")
    by_file, by_directory = Watched(tmp_path / "headgate.yaml"), Watched(tmp_path)

    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").replace(tmp_path / "..data")

    assert (1, 1) == (by_file.fired(50), by_directory.fired(50))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "b.yaml").write_text("b: 1\n"),
        lambda folder: (folder / "a.yaml").unlink(),
        lambda folder: (folder / "a.yaml").replace(folder / "c.yaml"),
    ],
    ids=["added", "removed", "renamed"],
)
def test_the_files_of_a_directory_are_its_content(tmp_path: Path, change: Callable[[Path], object]) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "z.yaml").write_text("z: 1\n")
    watched = Watched(tmp_path)
    change(tmp_path)

    assert 1 == watched.fired(50)


def test_other_files_of_a_directory_do_not_fire(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    watched = Watched(tmp_path)
    (tmp_path / ".a.yaml.swp").write_text("x")
    (tmp_path / "a.yaml~").write_text("x")

    assert 0 == watched.fired(50)


def test_the_slow_look_sees_what_the_stat_does_not(file: Path) -> None:
    watched = Watched(file)
    stat = file.stat()
    with file.open("r+") as stream:
        stream.write("a: 2")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    quick = watched.looks(3)
    watched.clock.advance(limits.CONFIG_POLL_S)

    assert ([False] * 3, [True]) == (quick, watched.looks(1))


def test_a_file_that_appears_later_fires(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "late.yaml")
    (tmp_path / "late.yaml").write_text("a: 1\n")

    assert 1 == watched.fired(50)


def test_run_looks_at_the_quick_interval_and_calls_back(file: Path) -> None:
    calls: list[str] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            replace(file, "a: 2\n")
        if len(slept) == 5:
            raise asyncio.CancelledError

    watcher = Watcher(file, lambda: calls.append("changed"), clock=ManualClock(), sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watcher.run())

    assert (["changed"], {limits.CONFIG_QUICK_LOOK_S}) == (calls, set(slept))
