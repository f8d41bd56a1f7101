"""Who is in charge: one at a time, named, and what the last one left can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.errors import OperatorError
from proxy.supervisor.lock import Claim, StateLock, lock_path, read_claim


def test_a_second_one_is_refused_and_told_the_process_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "state.lock"
    lock = StateLock(path)
    lock.write(Claim(pid=4711, instance="a"))
    with pytest.raises(OperatorError, match="process 4711 already runs headgate"):
        StateLock(path)
    lock.close()


def test_the_next_one_gets_it_and_reads_what_the_last_one_left(tmp_path: Path) -> None:
    path = tmp_path / "state.lock"
    claim = Claim(pid=4711, instance="a", serving=True, workers=(1, 2), sockets=(("/x", 3, 4),))
    first = StateLock(path)
    first.write(claim)
    first.close()
    second = StateLock(path)

    assert claim == second.predecessor
    second.close()


def test_a_shorter_line_replaces_a_longer_one_whole(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "state.lock")
    lock.write(Claim(pid=1, instance="a" * 100))
    lock.write(Claim(pid=2, instance="b"))

    assert Claim(pid=2, instance="b") == read_claim(lock.path)
    lock.close()


@pytest.mark.parametrize("text", [b"", b"{", b'{"pid": 1}', b"\xff\xfe"])
def test_a_line_that_is_none_is_no_claim(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "state.lock").write_bytes(text)

    assert read_claim(tmp_path / "state.lock") is None


def test_the_directory_is_made(tmp_path: Path) -> None:
    lock = StateLock(lock_path(str(tmp_path / "a" / "b" / "headgate.db")))

    assert tmp_path / "a" / "b" / "headgate.db.lock" == lock.path
    lock.close()


def test_a_directory_that_cannot_be_made_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match=r"state\.path"):
        StateLock(tmp_path / "file" / "state.lock")


def test_a_worker_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "state.lock")

    assert not os.get_inheritable(lock._fd)
    lock.close()
