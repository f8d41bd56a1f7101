"""The blast radius of a rollout: whom the candidate reached, who saw it fail, and for how long. Pure; judges nothing, moves nothing.

What counts
-----------
*Requests* are all that the candidate answered, overrides included; *errors* those that it failed. An error that stable answered for
(``fallback``) was seen by nobody. *Users* are known where the service is sticky and the request says who it is: they are counted once,
by hash, exactly up to a bound and "at least" beyond it. *Exposed* is the time from the end of the first bad answer to the beginning of
the last request that the candidate was given: what the engine's slowness cost.

It goes on counting after the rollout's end, until another one begins: what was in flight then ends later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from proxy import limits
from proxy.analysis.known_users import Hashes
from proxy.telemetry.snapshot import CellDelta


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """As it is stored; ``met`` and ``hurt`` are base64 of the hashes, 8 bytes each, little-endian."""

    rollout: int
    candidate: str
    sticky: bool
    requests: int
    errors: int
    fallbacks: int
    unknown: int
    met: str
    met_full: bool
    hurt: str
    hurt_full: bool
    first_error_s: float | None
    last_request_s: float | None
    incomplete: bool = False
    closed: bool = False


class Users:
    """Distinct users by hash; bounded, and ``full`` says that there were more than the bound."""

    def __init__(self, text: str = "", *, full: bool = False) -> None:
        """Those that ``to_text`` gave. Raises ``ValueError`` on what it cannot have given."""
        self._hashes = Hashes(text)
        self.full = full

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, hashes: Iterable[int], dropped: int) -> None:
        """Add a worker's; ``dropped`` requests were of users that it had no room for."""
        had_room = self._hashes.extend(hashes, limits.MET_USERS_PER_ROLLOUT_MAX)
        self.full = self.full or dropped > 0 or not had_room

    def to_text(self) -> str:
        """As it is stored. The cost is that of those who have come since the last time."""
        return self._hashes.text()


class Exposure:
    """Of one rollout. ``sticky``: requests may say whose they are."""

    def __init__(self, rollout: int, candidate: str, *, sticky: bool) -> None:
        self.rollout = rollout
        self.candidate = candidate
        self.sticky = sticky
        self.requests = 0
        self.errors = 0
        self.fallbacks = 0
        self.unknown = 0
        self.met = Users()
        self.hurt = Users()
        self.first_error_s: float | None = None
        self.last_request_s: float | None = None
        self.incomplete = False
        """Whether a process was killed in between: what came until the next start is in no count."""

    def add(self, cell: CellDelta, at_s: float) -> bool:
        """Count a worker's cell that it sent at ``at_s`` (Unix time); False when it is not the candidate's of this rollout."""
        if not self.rollout or cell.rollout != self.rollout or cell.version != self.candidate:
            return False
        self.requests += sum(cell.requests.values())
        self.errors += sum(cell.failures.values())
        self.fallbacks += cell.fallbacks
        reached = cell.reached
        if reached is not None:
            self.unknown += reached.unknown
            self.met.add(reached.met, reached.met_dropped)
            self.hurt.add(reached.hurt, reached.hurt_dropped)
            if reached.last_began_ago_s is not None:
                self.last_request_s = max(self.last_request_s or 0.0, at_s - reached.last_began_ago_s)
            if reached.first_failed_ago_s is not None:
                first = at_s - reached.first_failed_ago_s
                self.first_error_s = first if self.first_error_s is None else min(self.first_error_s, first)
        return True

    @property
    def exposed_s(self) -> float | None:
        """Seconds from the first bad answer to the beginning of the candidate's last request; None when it never failed."""
        if self.first_error_s is None or self.last_request_s is None:
            return None
        return max(0.0, self.last_request_s - self.first_error_s)

    def figures(self) -> dict[str, Any]:
        """For the history, for status and for people; users are None where nobody can be told from another."""
        inexact = self.unknown > 0 or self.incomplete
        return {
            "requests": self.requests,
            "errors": self.errors,
            "saved_by_fallback": self.fallbacks,
            "errors_seen": max(0, self.errors - self.fallbacks),
            "users": len(self.met) if self.sticky else None,
            "users_at_least": self.sticky and (self.met.full or inexact),
            "users_with_errors": len(self.hurt) if self.sticky else None,
            "users_with_errors_at_least": self.sticky and (self.hurt.full or inexact),
            "requests_without_user": self.unknown if self.sticky else None,
            "first_error_s": self.first_error_s,
            "last_request_s": self.last_request_s,
            "exposed_s": self.exposed_s,
            "incomplete": self.incomplete,
        }

    def to_json(self, *, closed: bool = False) -> dict[str, Any]:
        """JSON values from which ``from_json`` makes the same. ``closed``: the process ends, and nothing will be missing."""
        out: dict[str, Any] = msgspec.to_builtins(
            _Saved(
                self.rollout,
                self.candidate,
                self.sticky,
                self.requests,
                self.errors,
                self.fallbacks,
                self.unknown,
                self.met.to_text(),
                self.met.full,
                self.hurt.to_text(),
                self.hurt.full,
                self.first_error_s,
                self.last_request_s,
                self.incomplete,
                closed,
            )
        )
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any], *, goes_on: bool = False) -> Self | None:
        """What ``to_json`` described; None of anything else: nothing is decided on it, so nothing stops for it.

        ``goes_on``: the rollout is under way, so something is missing unless the process that kept this ended in peace.
        """
        try:
            saved = msgspec.convert(data, _Saved)
            exposure = cls._of(saved)
            exposure.incomplete = saved.incomplete or (goes_on and not saved.closed)
            return exposure
        except (msgspec.ValidationError, ValueError):
            return None

    @classmethod
    def _of(cls, saved: _Saved) -> Self:
        exposure = cls(saved.rollout, saved.candidate, sticky=saved.sticky)
        exposure.requests, exposure.errors = saved.requests, saved.errors
        exposure.fallbacks, exposure.unknown = saved.fallbacks, saved.unknown
        exposure.met = Users(saved.met, full=saved.met_full)
        exposure.hurt = Users(saved.hurt, full=saved.hurt_full)
        exposure.first_error_s, exposure.last_request_s = saved.first_error_s, saved.last_request_s
        return exposure
