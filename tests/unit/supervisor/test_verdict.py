"""The last word on a barrier is the first one that was said."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from proxy.supervisor.verdict import STAY, SWITCH, Outcome, Verdicts


@pytest.fixture
def verdicts(tmp_path: Path) -> Verdicts:
    return Verdicts(tmp_path / "headgate.db.lock", "abc")


@pytest.mark.parametrize("outcome", [SWITCH, STAY])
def test_who_speaks_first_is_obeyed(verdicts: Verdicts, outcome: Outcome) -> None:
    assert outcome == verdicts.say(1, outcome)


@pytest.mark.parametrize(("first", "second"), [(SWITCH, STAY), (STAY, SWITCH)])
def test_who_speaks_second_hears_what_was_said(verdicts: Verdicts, first: Outcome, second: Outcome) -> None:
    verdicts.say(1, first)

    assert first == verdicts.say(1, second)


def test_another_process_hears_it_too(verdicts: Verdicts, tmp_path: Path) -> None:
    verdicts.say(1, SWITCH)

    assert SWITCH == Verdicts(tmp_path / "headgate.db.lock", "abc").say(1, STAY)


def test_each_barrier_has_its_own(verdicts: Verdicts) -> None:
    verdicts.say(1, SWITCH)

    assert STAY == verdicts.say(2, STAY)


def test_what_is_forgotten_leaves_no_file(verdicts: Verdicts, tmp_path: Path) -> None:
    verdicts.say(1, SWITCH)
    verdicts.forget(1)
    verdicts.forget(2)

    assert [] == os.listdir(tmp_path)


def test_nothing_can_be_said_where_nothing_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        Verdicts(tmp_path / "gone" / "lock", "abc").say(1, STAY)


def test_why_it_cannot_be_said_is_what_the_system_said_first(verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_target: str, _path: Path) -> None:
        raise OSError(errno.EPERM, "no symbolic links here")

    monkeypatch.setattr(os, "symlink", none)
    with pytest.raises(OSError, match="no symbolic links here"):
        verdicts.say(1, SWITCH)


def test_a_fresh_supervisor_sweeps_the_words_of_those_before_and_nothing_else(verdicts: Verdicts, tmp_path: Path) -> None:
    verdicts.say(1, SWITCH)
    Verdicts(tmp_path / "headgate.db.lock", "old").say(7, STAY)
    (tmp_path / "headgate.db").touch()
    verdicts.sweep(2.0**40)

    assert ["headgate.db", "headgate.db.lock.abc.1.verdict"] == sorted(os.listdir(tmp_path))


def test_what_was_just_said_may_still_be_needed_and_is_not_swept(verdicts: Verdicts, tmp_path: Path) -> None:
    Verdicts(tmp_path / "headgate.db.lock", "old").say(7, STAY)
    verdicts.sweep(1.0)

    assert 1 == len(os.listdir(tmp_path))
