"""The guard: what the two versions' failures say about the candidate, at every moment of a rollout.

``Tally`` keeps the counts, ``judge`` turns them into a verdict with every figure it stands on. Knows nothing of steps, weights to
come, time limits or stores; it never acts.

Users
-----
A user's failures are not independent: who has a broken basket fails on every page. So a known user counts once per rollout, at the
share and on the version where they failed first, *across both versions*. Counting once per version would be wrong: as the weight
rises, users whose requests fail anywhere move from stable to the candidate, and would all be counted there a second time while those
who stay with stable would not; a candidate as good as stable would be accused. Only causes that the guard counts take a user's place:
a cause that only stable shows must not use up its users.
"""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Iterable
from typing import Any, Self

import msgspec

from proxy import limits
from proxy.analysis.statistics import SHARE_BP, ShareFailures, log_evidence
from proxy.model.position import Finding, Position, Verdict
from proxy.model.rollout import CAUSES, Guard
from proxy.telemetry.snapshot import CellDelta

_HASH_MASK = (1 << 64) - 1


class _Row(msgspec.Struct):
    """What was counted at one share: requests drawn, and failures by cause."""

    candidate_requests: int = 0
    stable_requests: int = 0
    candidate: dict[str, int] = {}
    stable: dict[str, int] = {}


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """A tally as it is stored. ``users`` is base64 of the hashes, 8 bytes each, little-endian: a tenth of the time of a JSON list."""

    rollout: int
    causes: list[str]
    rows: dict[int, _Row]
    users: str
    candidate_users: int
    stable_users: int
    users_uncounted: int
    first_failure_s: float | None
    last_failure_s: float | None


class Tally:
    """Counts of one rollout, by the candidate's share when each request was drawn.

    Bounded: at most 10,001 shares (they are kept in basis points), ``limits.FAILED_USERS_PER_ROLLOUT_MAX`` users. ``causes`` are those
    for which a known user is counted once, the guard's own; every cause of unknown users is kept, and ``judge`` selects.
    """

    def __init__(self, rollout: int, causes: Iterable[str] = CAUSES) -> None:
        self.rollout = rollout
        self.causes = frozenset(causes)
        self.candidate_users = 0  # distinct users whose first failure was the candidate's
        self.stable_users = 0
        self.users_uncounted = 0  # failures that could not be counted once, so were not counted at all
        self.first_failure_s: float | None = None  # Unix time of the candidate's first and last failure
        self.last_failure_s: float | None = None
        self._rows: dict[int, _Row] = {}
        self._users: set[int] = set()

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
    def users_full(self) -> bool:
        """Whether the set of users is full: failures of users not in it are no longer counted, on either version."""
        return len(self._users) >= limits.FAILED_USERS_PER_ROLLOUT_MAX

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
        if not is_candidate:
            row.stable_requests += delta.draws
            return
        row.candidate_requests += delta.draws
        if at_s is not None and (delta.draw_failures or delta.failed_users):
            self.first_failure_s = at_s if self.first_failure_s is None else min(self.first_failure_s, at_s)
            self.last_failure_s = at_s if self.last_failure_s is None else max(self.last_failure_s, at_s)

    def _count_users(self, delta: CellDelta, failures: dict[str, int], is_candidate: bool) -> None:
        self.users_uncounted += delta.failed_users_dropped
        for user, cause in delta.failed_users:
            key = user & _HASH_MASK
            if cause not in self.causes or key in self._users:
                continue
            if self.users_full:
                self.users_uncounted += 1
                continue
            self._users.add(key)
            failures[cause] = failures.get(cause, 0) + 1
            if is_candidate:
                self.candidate_users += 1
            else:
                self.stable_users += 1

    def failures(self, causes: Iterable[str]) -> tuple[ShareFailures, ...]:
        """Failures of these causes by share, shares ascending; shares without one are left out."""
        selected = tuple(causes)
        out = []
        for share_bp in sorted(self._rows):
            row = self._rows[share_bp]
            candidate = sum(row.candidate.get(cause, 0) for cause in selected)
            stable = sum(row.stable.get(cause, 0) for cause in selected)
            if candidate or stable:
                out.append(ShareFailures(share_bp, candidate, stable))
        return tuple(out)

    def shares(self, causes: Iterable[str]) -> list[dict[str, Any]]:
        """The table of a verdict: requests and failures of both versions at each share (0..1), shares ascending."""
        selected = tuple(causes)
        return [
            {
                "share": share_bp / SHARE_BP,
                "candidate_requests": row.candidate_requests,
                "candidate_failures": sum(row.candidate.get(cause, 0) for cause in selected),
                "stable_requests": row.stable_requests,
                "stable_failures": sum(row.stable.get(cause, 0) for cause in selected),
            }
            for share_bp, row in sorted(self._rows.items())
        ]

    def causes_of(self, version: str) -> dict[str, int]:
        """Failures by cause, all shares and all causes together; ``version`` is ``candidate`` or ``stable``."""
        total: dict[str, int] = {}
        for row in self._rows.values():
            for cause, count in (row.candidate if version == "candidate" else row.stable).items():
                total[cause] = total.get(cause, 0) + count
        return total

    def to_json(self) -> dict[str, Any]:
        """JSON values from which ``from_json`` makes the same tally."""
        users = array("Q", sorted(self._users))
        saved = _Saved(
            rollout=self.rollout,
            causes=sorted(self.causes),
            rows=self._rows,
            users=base64.b64encode(_little_endian(users).tobytes()).decode("ascii"),
            candidate_users=self.candidate_users,
            stable_users=self.stable_users,
            users_uncounted=self.users_uncounted,
            first_failure_s=self.first_failure_s,
            last_failure_s=self.last_failure_s,
        )
        out: dict[str, Any] = msgspec.to_builtins(saved, str_keys=True)
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tally that ``to_json`` described. Raises ``msgspec.ValidationError`` on anything else."""
        saved = msgspec.convert(data, _Saved, str_keys=True)
        tally = cls(saved.rollout, saved.causes)
        tally._rows = dict(saved.rows)
        users = array("Q")
        users.frombytes(base64.b64decode(saved.users))
        tally._users = set(_little_endian(users))
        tally.candidate_users = saved.candidate_users
        tally.stable_users = saved.stable_users
        tally.users_uncounted = saved.users_uncounted
        tally.first_failure_s = saved.first_failure_s
        tally.last_failure_s = saved.last_failure_s
        return tally


def _little_endian(users: array[int]) -> array[int]:
    """A state file may move between machines; on a big-endian one the bytes are swapped on the way out and in."""
    if int.from_bytes(array("H", [1]).tobytes(), "little") != 1:  # pragma: no cover - no such machine runs the tests
        users.byteswap()
    return users


def judge(guard: Guard, tally: Tally) -> Verdict:
    """What the failures counted so far say. ROLLBACK (PAUSE, when the guard's action is that) only on evidence; no data is HOLD."""
    failures = tally.failures(guard.failures)
    evidence = log_evidence(failures, guard.ratio)
    threshold = math.log(1 / guard.alpha)
    candidate = sum(row.candidate for row in failures)
    stable = sum(row.stable for row in failures)
    figures: dict[str, Any] = {
        "log_evidence": evidence,
        "threshold": threshold,
        "alpha": guard.alpha,
        "ratio": guard.ratio,
        "min_failures": guard.min_failures,
        "candidate_failures": candidate,
        "stable_failures": stable,
        "candidate_requests": tally.candidate_requests,
        "stable_requests": tally.stable_requests,
        "users": tally.candidate_users,
        "stable_users": tally.stable_users,
        "users_full": tally.users_full,
        "users_uncounted": tally.users_uncounted,
        "shares": tally.shares(guard.failures),
        "candidate_causes": tally.causes_of("candidate"),
        "stable_causes": tally.causes_of("stable"),
        "first_failure_s": tally.first_failure_s,
        "last_failure_s": tally.last_failure_s,
    }
    finding, reason = _finding(guard, evidence, threshold, candidate, stable, tally.candidate_requests)
    return Verdict(finding, reason, figures)


def _finding(guard: Guard, evidence: float, threshold: float, candidate: int, stable: int, requests: int) -> tuple[Finding, str]:
    counted = f"{_failures(candidate)} of the candidate and {stable} of stable"
    weighed = f"evidence 10^{evidence / math.log(10):.1f}, 10^{threshold / math.log(10):.1f} needed"
    if requests == 0 and candidate == 0:
        return Finding.HOLD, "no candidate request was counted yet"
    if evidence < threshold:
        return Finding.PASS, f"{counted}: {weighed}"
    if candidate < guard.min_failures:
        return Finding.HOLD, f"{counted}: {weighed}, but no decision on fewer than {_failures(guard.min_failures)}"
    acting = Finding.PAUSE if guard.action == "pause" else Finding.ROLLBACK
    return acting, f"the candidate fails more than {guard.ratio:g} times as often as stable; {counted}: {weighed}"


def _failures(count: int) -> str:
    return f"{count} failure" if count == 1 else f"{count} failures"
