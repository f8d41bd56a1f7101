"""The database file: opened, given its schema, checked, and moved aside when damaged. Knows tables, not what is in their rows.

Facts
-----
- SQLite in WAL mode with ``synchronous=FULL`` syncs the log at every commit, so a commit that returned survives a power cut; with
  NORMAL only a crash of the process (sqlite.org/pragma.html#pragma_synchronous). Decisions go through a FULL connection, progress
  through a NORMAL one.
- A log cut anywhere is read up to its last whole commit (sqlite.org/walformat.html): what is lost is whole transactions, the last.
- "locked", "read-only", "disk full" and "cannot open" are ``OperationalError``: the file is not damaged, somebody must act.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from proxy.errors import OperatorError

SCHEMA_VERSION: Final = 2
"""Kept in ``PRAGMA user_version``. It grows when an older program could not read the rows any more."""

BUSY_TIMEOUT_S: Final = 5.0  # somebody reads the file with the sqlite3 shell; there is only one writer

_SCHEMA: Final = """
CREATE TABLE positions (
    service TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    tally TEXT
) WITHOUT ROWID;
CREATE TABLE history (
    service TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at_s REAL NOT NULL,
    record TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (service, revision)
) WITHOUT ROWID;
CREATE TRIGGER history_is_append_only BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
"""

_SERIES: Final = """
CREATE TABLE series (
    service TEXT NOT NULL,
    rollout INTEGER NOT NULL,
    series TEXT NOT NULL,
    exposure TEXT NOT NULL,
    PRIMARY KEY (service, rollout)
);
"""

_UPGRADES: Final = {1: _SERIES}
"""By the version that a file has: what makes it the next one. Rows that an older program wrote are read as they are."""


class Damaged(Exception):
    """The file is not a database of ours that can be read whole."""


def open_database(path: Path) -> sqlite3.Connection:
    """A connection for decisions; an absent or empty database gets its schema. The directory must exist.

    Raises ``Damaged`` when its content cannot be read, ``OperatorError`` when it may not be or is of a newer headgate.
    """
    connection = _connect(path)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        version = _version(connection)
        if version > SCHEMA_VERSION:
            raise OperatorError(
                f"{path}: written by a newer headgate (schema {version}, this one knows {SCHEMA_VERSION}); "
                "run that version, or name another state.path"
            )
        if version == 0:
            _create(connection, path)
        _check(connection)
        if 0 < version < SCHEMA_VERSION:
            _upgrade(connection, version)
    except sqlite3.OperationalError as error:
        connection.close()
        raise OperatorError(f"{path}: cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Damaged(str(error)) from error
    except BaseException:  # whatever it is, the connection is not handed out
        connection.close()
        raise
    return connection


def connect_for_progress(path: Path) -> sqlite3.Connection:
    """A second connection whose commits do not wait for the disk."""
    connection = _connect(path)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def move_aside(path: Path, wall_s: float) -> Path:
    """Rename a damaged database and its log and index, so that nothing is lost; the new name says when (UTC)."""
    stamp = datetime.fromtimestamp(wall_s, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            os.replace(source, aside.with_name(aside.name + suffix))
    return aside


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise OperatorError(f"{path}: cannot be opened: {error}") from error


def _version(connection: sqlite3.Connection) -> int:
    connection.execute("PRAGMA journal_mode=WAL")
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables:
        raise Damaged("it is a database, but not one of headgate's")
    _write_schema(connection, _SCHEMA + _SERIES)
    os.chmod(path, 0o600)  # who decided what is nobody else's business


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Make a file of an older headgate one of this version, in one transaction: killed in the middle, it is as old as it was."""
    _write_schema(connection, "".join(_UPGRADES[step] for step in range(version, SCHEMA_VERSION)))


def _write_schema(connection: sqlite3.Connection, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _statements(script):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    """The script's statements; ``executescript`` would commit in between, and a half-made schema must not survive a crash."""
    out, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            out.append(pending)
            pending = ""
    return out


def _check(connection: sqlite3.Connection) -> None:
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Damaged(str(said))
