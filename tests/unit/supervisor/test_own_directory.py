"""A directory for a socket: named without being made, made again, and never somebody else's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from proxy import limits
from proxy.supervisor import own_directory


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_naming_makes_nothing_and_names_nothing_twice(temporary: Path) -> None:
    one, other = own_directory.named("compare"), own_directory.named("compare")

    assert (one.parent, one != other, list(temporary.iterdir())) == (temporary, True, [])


def test_where_nothing_can_be_written_there_is_a_name_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)

    assert own_directory.named("compare").name.startswith("headgate-")


def test_a_name_too_long_for_a_socket_is_not_chosen(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / ("d" * 100)))

    assert len(os.fsencode(own_directory.named("compare") / "compare")) <= limits.UNIX_PATH_BYTES_MAX


def test_it_is_made_for_this_user_alone_and_again_when_it_is_gone(temporary: Path) -> None:
    path = own_directory.named("compare")
    for _ in range(2):
        own_directory.make(path)
        assert path.stat().st_mode & 0o777 == 0o700
        path.rmdir()


def test_what_was_made_before_is_taken_as_it_is(temporary: Path) -> None:
    path = own_directory.named("compare")
    own_directory.make(path)
    (path / "compare").touch()
    own_directory.make(path)

    assert (path / "compare").exists()


@pytest.mark.parametrize("kind", ["open to others", "closed to us", "a file", "a link", "of another user"])
def test_what_is_not_ours_alone_is_neither_taken_nor_removed(temporary: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_directory.named("compare")
    if kind == "a file":
        path.touch(mode=0o700)
    elif kind == "a link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        path.symlink_to(temporary / "elsewhere")
    else:
        path.mkdir()
        path.chmod({"open to others": 0o755, "closed to us": 0o500}.get(kind, 0o700))
    if kind == "of another user":
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(FileExistsError, match="not this user's alone"):
        own_directory.make(path)
    own_directory.remove(path)
    assert path.exists()


def test_removing_takes_what_is_in_it_too(temporary: Path) -> None:
    path = own_directory.named("compare")
    own_directory.make(path)
    (path / "compare").touch()
    own_directory.remove(path)

    assert list(temporary.iterdir()) == []
