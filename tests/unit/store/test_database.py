from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.errors import OperatorError
from proxy.store import database

WALL_S = 1_700_000_000.0


def test_a_new_file_gets_the_schema_and_its_version(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()

    assert database.SCHEMA_VERSION == version


def test_what_is_in_it_is_there_the_next_time(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    connection.execute("INSERT INTO positions VALUES ('shop', '{}', NULL)")
    connection.close()
    connection = database.open_database(tmp_path / "x.db")
    rows = connection.execute("SELECT service FROM positions").fetchall()
    connection.close()

    assert [("shop",)] == rows


def test_decisions_wait_for_the_disk_and_progress_does_not(tmp_path: Path) -> None:
    decisions = database.open_database(tmp_path / "x.db")
    progress = database.connect_for_progress(tmp_path / "x.db")
    modes = [c.execute(f"PRAGMA {name}").fetchone()[0] for c in (decisions, progress) for name in ("journal_mode", "synchronous")]
    decisions.close()
    progress.close()

    assert ["wal", 2, "wal", 1] == modes  # 2 is FULL, 1 is NORMAL


def test_others_may_not_read_it(tmp_path: Path) -> None:
    database.open_database(tmp_path / "x.db").close()

    assert 0o600 == (tmp_path / "x.db").stat().st_mode & 0o777


def test_history_cannot_be_edited(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    connection.execute("INSERT INTO history VALUES ('shop', 1, 0, '{}', '{}')")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("UPDATE history SET record = 'nicer'")
    connection.close()


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_not_a_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)

    with pytest.raises(database.Damaged):
        database.open_database(tmp_path / "x.db")


def test_somebody_elses_database_is_damaged(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "x.db")
    other.execute("CREATE TABLE recipes (name)")
    other.close()

    with pytest.raises(database.Damaged, match="not one of headgate's"):
        database.open_database(tmp_path / "x.db")


def test_a_database_cut_in_the_middle_is_damaged(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    for revision in range(1, 60):
        connection.execute("INSERT INTO history VALUES ('shop', ?, 0, ?, '{}')", (revision, "x" * 1000))
    connection.close()
    with open(tmp_path / "x.db", "r+b") as file:
        file.truncate(20_000)

    with pytest.raises(database.Damaged):
        database.open_database(tmp_path / "x.db")


def test_pages_that_do_not_fit_each_other_are_damage(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    for revision in range(1, 60):
        connection.execute("INSERT INTO history VALUES ('shop', ?, 0, ?, '{}')", (revision, "x" * 1000))
    connection.close()
    content = bytearray((tmp_path / "x.db").read_bytes())
    content[4096 * 8 :] = bytes(len(content) - 4096 * 8)
    (tmp_path / "x.db").write_bytes(content)

    with pytest.raises(database.Damaged):
        database.open_database(tmp_path / "x.db")


def test_a_newer_headgates_database_is_left_alone(tmp_path: Path) -> None:
    connection = database.open_database(tmp_path / "x.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(OperatorError, match="newer headgate \\(schema 99, this one knows 2\\)"):
        database.open_database(tmp_path / "x.db")


def test_a_path_that_cannot_be_opened_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be opened"):
        database.open_database(tmp_path)


def test_a_locked_database_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = database.open_database(tmp_path / "x.db")
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.0)

    with pytest.raises(OperatorError, match="cannot be used: database is locked"):
        database.open_database(tmp_path / "x.db")
    other.close()


def test_what_is_moved_aside_says_when_and_takes_its_log_along(tmp_path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"x.db{suffix}").write_text(suffix)

    assert "x.db.damaged-20231114T221320Z" == database.move_aside(tmp_path / "x.db", WALL_S).name
    assert [f"x.db.damaged-20231114T221320Z{suffix}" for suffix in ("", "-shm", "-wal")] == sorted(p.name for p in tmp_path.iterdir())


def test_two_that_are_moved_aside_in_one_second_are_both_kept(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        (tmp_path / "x.db").write_text("")
        names.append(database.move_aside(tmp_path / "x.db", WALL_S).name)

    assert [f"x.db.damaged-20231114T221320Z{end}" for end in ("", "-2", "-3")] == names


# ---- a file of the first version ------------------------------------------------------------------------------------------------

VERSION_1 = Path(__file__).with_name("files") / "version-1.sql"


def old_file(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()


def schema_of(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def test_a_file_of_version_1_gets_the_schema_of_a_new_one_and_keeps_its_rows(tmp_path: Path) -> None:
    old_file(tmp_path / "x.db")
    taken_over = database.open_database(tmp_path / "x.db")
    new = database.open_database(tmp_path / "y.db")
    schemas = schema_of(taken_over), schema_of(new)
    version = taken_over.execute("PRAGMA user_version").fetchone()[0]
    rows = taken_over.execute("SELECT count(*) FROM history").fetchone()[0]
    taken_over.close()
    new.close()

    assert (schemas[1], 2, 2) == (schemas[0], version, rows)


def test_an_upgrade_that_is_interrupted_leaves_the_file_as_old_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_file(tmp_path / "x.db")
    with monkeypatch.context() as broken:
        broken.setattr(database, "_UPGRADES", {1: database._SERIES + "CREATE TABLE positions (again);\n"})
        with pytest.raises(OperatorError, match="already exists"):
            database.open_database(tmp_path / "x.db")
    between = sqlite3.connect(tmp_path / "x.db")
    left = between.execute("PRAGMA user_version").fetchone()[0], len(schema_of(between))
    between.close()
    database.open_database(tmp_path / "x.db").close()

    assert (1, 3) == left
