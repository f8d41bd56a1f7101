"""The counts of one rollout that its guard stands on: by the candidate's share when each request was drawn, which is all it needs.

Two kinds of event are counted: *failures*, by cause, and *slow* answers, those that did not fail and took longer than the bound that
was in force when they were drawn (the recorder has compared them). Known users are counted once per kind (``known_users``). Only causes
that the guard counts take a user's place: a cause that only stable shows must not use up its users. Knows nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Self

import msgspec

from proxy.analysis.known_users import KnownUsers, SavedUsers
from proxy.analysis.statistics import SHARE_BP, ShareFailures
from proxy.model.position import Position
from proxy.model.rollout import CAUSES
from proxy.telemetry.snapshot import CellDelta

Kind = Literal["failures", "slow"]
KINDS: Final[tuple[Kind, ...]] = ("failures", "slow")


class ShareCounts(NamedTuple):
    """What was counted at one share: requests drawn, failures of the causes that were asked for, and slow answers."""

    share_bp: int
    candidate_requests: int
    candidate_failures: int
    candidate_slow: int
    stable_requests: int
    stable_failures: int
    stable_slow: int

    def events(self, kind: Kind) -> ShareFailures:
        """The events of this kind, for the evidence."""
        if kind == "failures":
            return ShareFailures(self.share_bp, self.candidate_failures, self.stable_failures)
        return ShareFailures(self.share_bp, self.candidate_slow, self.stable_slow)

    def figures(self) -> dict[str, Any]:
        """As a row in the table of a verdict, with the share as 0..1."""
        return {
            "share": self.share_bp / SHARE_BP,
            "candidate_requests": self.candidate_requests,
            "candidate_failures": self.candidate_failures,
            "candidate_slow": self.candidate_slow,
            "stable_requests": self.stable_requests,
            "stable_failures": self.stable_failures,
            "stable_slow": self.stable_slow,
        }


class _Row(msgspec.Struct):
    """What was counted at one share: requests drawn, failures by cause, and slow answers."""

    candidate_requests: int = 0
    stable_requests: int = 0
    candidate: dict[str, int] = {}
    stable: dict[str, int] = {}
    candidate_slow: int = 0
    stable_slow: int = 0


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """A tally as it is stored. Users of failures lie flat, as 0.1.0 stored them, which knew no other kind."""

    rollout: int
    causes: list[str]
    rows: dict[int, _Row]
    users: str
    candidate_users: int
    stable_users: int
    users_uncounted: int
    first_failure_s: float | None
    last_failure_s: float | None
    users_on_candidate: str = ""
    errors: int = 0
    slow_users: SavedUsers = SavedUsers()


class Tally:
    """Counts of one rollout.

    Bounded: at most 10,001 shares (they are kept in basis points), and the bounds of ``KnownUsers``. ``causes`` are those that the
    guard counts; every cause of unknown users is kept, and whoever asks selects.
    """

    def __init__(self, rollout: int, causes: Iterable[str] = CAUSES) -> None:
        self.rollout = rollout
        self.causes = frozenset(causes)
        self.users: dict[Kind, KnownUsers] = {kind: KnownUsers() for kind in KINDS}
        self.errors = 0  # failed requests of the candidate, each of them, whoever's they were
        self.first_failure_s: float | None = None  # Unix time of the candidate's first and last failure
        self.last_failure_s: float | None = None
        self._rows: dict[int, _Row] = {}
        self._unknown = 0  # failures of the candidate in them that are nobody's in ``users``

    @classmethod
    def of(cls, position: Position) -> Self:
        """An empty tally for the rollout that is under way at ``position``."""
        return cls(position.rollout, position.plan.guard.failures)

    @property
    def candidate_requests(self) -> int:
        """Requests that the split drew for the candidate; overrides, mirrors and clients that gave up are not among them."""
        return sum(row.candidate_requests for row in self._rows.values())

    @property
    def stable_requests(self) -> int:
        """Requests that the split drew for stable."""
        return sum(row.stable_requests for row in self._rows.values())

    @property
    def users_with_errors(self) -> int:
        """Distinct users for whom the candidate failed. One that nobody knows may be anybody, and is one for each failure."""
        return self.users["failures"].of_candidate + self._unknown

    def add(self, delta: CellDelta, *, stable: str, candidate: str, at_s: float | None = None) -> None:
        """Count a worker's cell; one of another rollout or another version is ignored. ``at_s`` is the snapshot's Unix time."""
        if delta.rollout != self.rollout or delta.version not in (stable, candidate):
            return
        row = self._rows.setdefault(round(delta.candidate_share * SHARE_BP), _Row())
        is_candidate = delta.version == candidate
        failures = row.candidate if is_candidate else row.stable
        for cause, count in delta.draw_failures.items():
            failures[cause] = failures.get(cause, 0) + count
        self._count_users(delta, failures, is_candidate)
        slow = delta.draw_slow + self._slow_users(delta, is_candidate)
        if not is_candidate:
            row.stable_requests += delta.draws
            row.stable_slow += slow
            return
        row.candidate_requests += delta.draws
        row.candidate_slow += slow
        unknown = _of_causes(self.causes, delta.draw_failures)
        self._unknown += unknown
        self.errors += unknown + _of_causes(self.causes, delta.failed_users_dropped)
        self.errors += sum(cause in self.causes for _, cause in delta.failed_users)
        if at_s is not None and (delta.draw_failures or delta.failed_users):
            self.first_failure_s = at_s if self.first_failure_s is None else min(self.first_failure_s, at_s)
            self.last_failure_s = at_s if self.last_failure_s is None else max(self.last_failure_s, at_s)

    def _count_users(self, delta: CellDelta, failures: dict[str, int], is_candidate: bool) -> None:
        users = self.users["failures"]
        users.uncounted += _of_causes(self.causes, delta.failed_users_dropped)
        for user, cause in delta.failed_users:
            if cause in self.causes and users.count(user, is_candidate=is_candidate):
                failures[cause] = failures.get(cause, 0) + 1

    def _slow_users(self, delta: CellDelta, is_candidate: bool) -> int:
        users = self.users["slow"]
        users.uncounted += delta.slow_users_dropped
        return sum(users.count(user, is_candidate=is_candidate) for user in delta.slow_users)

    def counts(self, causes: Collection[str]) -> list[ShareCounts]:
        """All that was counted, with the failures of these causes, shares ascending. Whoever needs more than one sum asks once."""
        return [
            ShareCounts(
                share_bp,
                row.candidate_requests,
                _of_causes(causes, row.candidate),
                row.candidate_slow,
                row.stable_requests,
                _of_causes(causes, row.stable),
                row.stable_slow,
            )
            for share_bp, row in sorted(self._rows.items())
        ]

    def rows(self) -> dict[int, dict[str, Any]]:
        """Everything counted at each share (basis points), as JSON values."""
        out: dict[int, dict[str, Any]] = msgspec.to_builtins(self._rows)
        return out

    def causes_of(self, version: str) -> dict[str, int]:
        """Failures by cause, all shares and all causes together; ``version`` is ``candidate`` or ``stable``."""
        total: dict[str, int] = {}
        for row in self._rows.values():
            for cause, count in (row.candidate if version == "candidate" else row.stable).items():
                total[cause] = total.get(cause, 0) + count
        return total

    def to_json(self) -> dict[str, Any]:
        """JSON values from which ``from_json`` makes the same tally."""
        failed = self.users["failures"].saved()
        saved = _Saved(
            rollout=self.rollout,
            causes=sorted(self.causes),
            rows=self._rows,
            users=failed.seen,
            candidate_users=failed.candidate,
            stable_users=failed.stable,
            users_uncounted=failed.uncounted,
            first_failure_s=self.first_failure_s,
            last_failure_s=self.last_failure_s,
            users_on_candidate=failed.on_candidate,
            errors=self.errors,
            slow_users=self.users["slow"].saved(),
        )
        out: dict[str, Any] = msgspec.to_builtins(saved, str_keys=True)
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tally that ``to_json`` described. Raises ``msgspec.ValidationError`` on anything else."""
        saved = msgspec.convert(data, _Saved, str_keys=True)
        tally = cls(saved.rollout, saved.causes)
        tally._rows = dict(saved.rows)
        failed = SavedUsers(saved.users, saved.users_on_candidate, saved.candidate_users, saved.stable_users, saved.users_uncounted)
        tally.users = {"failures": KnownUsers(failed), "slow": KnownUsers(saved.slow_users)}
        tally._unknown = sum(_of_causes(tally.causes, row.candidate) for row in saved.rows.values()) - saved.candidate_users
        tally.errors = saved.errors
        tally.first_failure_s = saved.first_failure_s
        tally.last_failure_s = saved.last_failure_s
        return tally


def events(counts: Iterable[ShareCounts], kind: Kind) -> tuple[ShareFailures, ...]:
    """Those of one kind by share; shares without one are left out."""
    return tuple([row for each in counts if (row := each.events(kind)).candidate or row.stable])


def _of_causes(causes: Collection[str], by_cause: Mapping[str, int]) -> int:
    return sum([count for cause, count in by_cause.items() if cause in causes])
