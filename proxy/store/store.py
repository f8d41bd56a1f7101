"""What must outlive the process: every service's position and tally, the append-only history of decisions, and each rollout's series.

One writer, the supervisor that holds the lock. Knows no rollout rules: positions and records are kept as they are given. Calls block
for a disk write each (``decide``) or for next to nothing (``progress``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from proxy import limits
from proxy.analysis.series import Series
from proxy.clock import Clock, SystemClock
from proxy.errors import OperatorError
from proxy.model.position import Decided, Position, Record, Revision
from proxy.store import database, last_known

_POSITION = msgspec.json.Decoder(Position)
_RECORD = msgspec.json.Decoder(Record)
_TALLY = msgspec.json.Decoder(dict[str, Any])
_SERIES_OF = msgspec.json.Decoder(Series)

_UPSERT = """
INSERT INTO positions (service, position, tally) VALUES (?, ?, ?)
ON CONFLICT (service) DO UPDATE SET position = excluded.position, tally = excluded.tally
"""
_APPEND = "INSERT INTO history (service, revision, at_s, record, position) VALUES (?, ?, ?, ?, ?)"
_LAST = "SELECT coalesce(max(revision), 0) FROM history WHERE service = ?"
_PRUNE = "DELETE FROM history WHERE service = ? AND revision <= ?"
_NEWEST = "SELECT revision, at_s, record, position FROM history WHERE service = ? ORDER BY revision DESC LIMIT ?"
_ONE = "SELECT revision, at_s, record, position FROM history WHERE service = ? AND revision = ?"


_KEEP_SERIES = """
INSERT INTO series (service, rollout, series, exposure) VALUES (?, ?, ?, ?)
ON CONFLICT (service, rollout) DO UPDATE SET series = excluded.series, exposure = excluded.exposure
"""
_SERIES = "SELECT series, exposure FROM series WHERE service = ? AND rollout = ?"
_PRUNE_SERIES = "DELETE FROM series WHERE service = ? AND (rollout <= ? OR rollout < ?)"
_OLDEST = "SELECT position FROM history WHERE service = ? ORDER BY revision LIMIT 1"


class StoreUnavailable(OperatorError):
    """The database could not be written or read; nothing of the attempt was kept, so nothing of it may take effect."""


class Store:
    """The state file at ``path``; its directory is made if missing.

    ``notice`` is a sentence for the operator when something was wrong at the start (else empty): a damaged database was moved aside,
    or it was gone, and services fell to their last known stable. ``last_known_failed`` says why the file of last known stables could
    not be written the last time (else empty). Raises ``OperatorError`` when the database cannot be used at all.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._last_known_path = last_known.beside(path)
        self._last_known: dict[str, Position] = {}
        self.notice = ""
        self.last_known_failed = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"{path.parent}: cannot be made: {error.strerror}") from error
        positions = self._open_or_fall_back()
        self._keep_last_known({name: last_known.settled(position) for name, position in positions.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]:
        """Every service's position and tally (JSON values; None when none was kept)."""
        with self._reading():
            return self._read_positions()

    def decide(self, position: Position, records: Sequence[Record], now: float, tally_json: dict[str, Any] | None) -> list[int]:
        """Keep one service's decision; see ``decide_all``. Returns its revision numbers."""
        [revisions] = self.decide_all([Decided(position, tuple(records), tally_json)], now)
        return revisions

    def decide_all(self, decided: Sequence[Decided], now: float) -> list[list[int]]:
        """Keep decisions, all of them or none, durably and before they have any effect: position, tally, a revision for each record.

        ``now`` is Unix time. Returns the revision numbers of each one's records. Raises ``StoreUnavailable``, and then kept nothing.
        """
        with self._transaction(self._decisions) as cursor:
            revisions = [_append(cursor, each, now) for each in decided]
        self._note_settled(*(each.position for each in decided))
        return revisions

    def progress(self, position: Position, tally_json: dict[str, Any] | None) -> None:
        """Keep how far a step has got, without waiting for the disk: at worst the last of these are lost to a power cut."""
        with self._transaction(self._progress) as cursor:
            cursor.execute(_UPSERT, (position.service, _encode(position), _encode_tally(tally_json)))
        self._note_settled(position)

    def keep_series(self, service: str, rollout: int, series: Series, exposure_json: dict[str, Any]) -> None:
        """Keep what a rollout has gone through, as ``progress`` keeps positions. That of rollouts the history has forgotten goes."""
        with self._transaction(self._progress) as cursor:
            cursor.execute(_KEEP_SERIES, (service, rollout, _encode(series), msgspec.json.encode(exposure_json).decode()))
            oldest = cursor.execute(_OLDEST, (service,)).fetchone()
            remembered = 0 if oldest is None else _POSITION.decode(oldest[0]).rollout
            cursor.execute(_PRUNE_SERIES, (service, rollout - limits.SERIES_ROLLOUTS_KEPT, remembered))

    def series(self, service: str, rollout: int) -> tuple[Series, dict[str, Any]] | None:
        """What ``keep_series`` kept last of a rollout; None when nothing was, it is too old, or of a form nobody reads any more."""
        with self._reading():
            row = self._progress.execute(_SERIES, (service, rollout)).fetchone()
        if row is None:
            return None
        with suppress(msgspec.DecodeError):  # nothing is decided on a series, so one that cannot be read stops nothing
            return _SERIES_OF.decode(row[0]), _TALLY.decode(row[1])
        return None

    def history(self, service: str, limit: int = 50) -> list[Revision]:
        """The newest revisions of a service, newest first."""
        with self._reading():
            rows = self._decisions.execute(_NEWEST, (service, limit)).fetchall()
            return [_revision(service, row) for row in rows]

    def revision(self, service: str, number: int) -> Revision | None:
        """One revision, or None when there never was one or it is too old to be kept."""
        with self._reading():
            row = self._decisions.execute(_ONE, (service, number)).fetchone()
            return None if row is None else _revision(service, row)

    def close(self) -> None:
        """Close both connections; the last one folds the log into the file."""
        self._progress.close()
        self._decisions.close()

    # ---- opening ----------------------------------------------------------------------------------------------------------------

    def _open_or_fall_back(self) -> dict[str, Position]:
        try:
            positions = self._open()
        except database.Damaged as damage:
            return self._start_anew(damage)
        try:
            known = last_known.read(self._last_known_path) or {}
        except (OSError, ValueError) as error:
            if not positions:
                self.close()
                raise self._refused("is empty", f"cannot be read ({error})") from error
            known = {}  # the database is whole, and the file is about to be written again
        lost = {name: position for name, position in known.items() if name not in positions}
        if lost:  # the file was deleted, emptied, or made anew by a start that did not get further
            self.notice = f"{self._path} knew nothing of {', '.join(sorted(lost))}; {self._fell()}"
            self._restore(lost, known)
        return positions | lost

    def _open(self) -> dict[str, Position]:
        """Open both connections; the positions. Raises ``Damaged`` with both closed."""
        self._decisions = database.open_database(self._path)
        self._progress = database.connect_for_progress(self._path)
        try:
            return {name: position for name, (position, _) in self._read_positions().items()}
        except (msgspec.DecodeError, sqlite3.DatabaseError) as error:
            self.close()
            raise database.Damaged(f"a position cannot be read: {error}") from error

    def _start_anew(self, damage: database.Damaged) -> dict[str, Position]:
        """A new database that holds every service at its last known stable; the old file is kept under another name."""
        try:
            known = last_known.read(self._last_known_path)
        except (OSError, ValueError) as error:
            raise self._refused(f"is damaged ({damage})", f"cannot be read ({error})") from error
        if known is None:
            raise self._refused(f"is damaged ({damage})", "does not exist")
        aside = database.move_aside(self._path, self._clock.wall())
        self._open()
        self.notice = f"{self._path} is damaged ({damage}) and was moved to {aside.name}; {self._fell()}"
        self._restore(known, known)
        return known

    def _restore(self, lost: dict[str, Position], known: dict[str, Position]) -> None:
        """Keep these positions, each with a revision that says why: a history that was lost must not look as if nothing had happened.

        ``known`` is the whole file, which stays as it is until all of them are kept: killed in between, the next start does the rest.
        """
        self._last_known = dict(known)
        for position in lost.values():
            self.decide(position, [Record("recovered", self.notice, {"stable": position.stable})], self._clock.wall(), None)

    def _fell(self) -> str:
        return f"its services stand at their last known stable (from {self._last_known_path.name}), and their history begins anew"

    def _refused(self, database_is: str, known: str) -> OperatorError:
        return OperatorError(
            f"{self._path} {database_is} and {self._last_known_path} {known}, so no service's stable version is known; "
            "restore one of them, or move both away to begin anew with every target stable at once"
        )

    def _read_positions(self) -> dict[str, tuple[Position, dict[str, Any] | None]]:
        out = {}
        for service, position, tally in self._decisions.execute("SELECT service, position, tally FROM positions"):
            out[service] = (_POSITION.decode(position), None if tally is None else _TALLY.decode(tally))
        return out

    # ---- the file of last known stables -----------------------------------------------------------------------------------------

    def _note_settled(self, *positions: Position) -> None:
        services = self._last_known | {position.service: last_known.settled(position) for position in positions}
        if services != self._last_known:
            self._keep_last_known(services)

    def _keep_last_known(self, services: dict[str, Position]) -> None:
        """The decision is durable already, so a failure here is told, not raised; the next change of any service tries again."""
        try:
            last_known.write(self._last_known_path, services)
        except OSError as error:
            self.last_known_failed = f"{self._last_known_path}: {error.strerror}"
        else:
            self.last_known_failed = ""
            self._last_known = services

    # ---- transactions -----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """All of it or nothing. A database error is ``StoreUnavailable``; any other exception passes, with nothing kept."""
        with self._reading():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:  # whatever interrupts a transaction, nothing of it is kept
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error


def _append(cursor: sqlite3.Connection, decided: Decided, now: float) -> list[int]:
    service, records, encoded = decided.position.service, decided.records, _encode(decided.position)
    cursor.execute(_UPSERT, (service, encoded, _encode_tally(decided.tally_json)))
    first = cursor.execute(_LAST, (service,)).fetchone()[0] + 1
    revisions = list(range(first, first + len(records)))
    for revision, record in zip(revisions, records, strict=True):
        cursor.execute(_APPEND, (service, revision, now, _encode(record), encoded))
    cursor.execute(_PRUNE, (service, first + len(records) - 1 - limits.HISTORY_REVISIONS_KEPT))
    return revisions


def _encode(what: Position | Record | Series) -> str:
    return msgspec.json.encode(what).decode()


def _encode_tally(tally_json: dict[str, Any] | None) -> str | None:
    return None if tally_json is None else msgspec.json.encode(tally_json).decode()


def _revision(service: str, row: tuple[int, float, str, str]) -> Revision:
    number, at_s, kept, position = row
    record = _RECORD.decode(kept)
    return Revision(service, number, at_s, record.kind, record.reason, record.figures, record.by, _POSITION.decode(position))
