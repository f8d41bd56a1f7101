"""Users who met one kind of event, each of them counted once in a rollout. Knows hashes only, and of nobody more than that.

A user's events are not independent: who has a broken basket fails on every page. So a known user counts once per rollout and kind, at
the share and on the version where it happened first, *across both versions*. Counting once per version would be wrong: as the weight
rises, users whose requests fail anywhere move from stable to the candidate, and would all be counted there a second time while those
who stay with stable would not; a candidate as good as stable would be accused.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterable

import msgspec

from proxy import limits

_HASH_MASK = (1 << 64) - 1


class SavedUsers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As they are stored. Sets are base64 of the hashes, 8 bytes each, little-endian: a tenth of the time of a JSON list."""

    seen: str = ""
    on_candidate: str = ""
    candidate: int = 0
    stable: int = 0
    uncounted: int = 0


class Hashes:
    """Distinct hashes in the order they came, and their text, which only grows: it is written with every second of progress."""

    def __init__(self, text: str = "") -> None:
        """Those that ``text`` gave. Raises ``ValueError`` on what is no base64."""
        self._order = array("Q")
        self._order.frombytes(base64.b64decode(text, validate=True))
        self._known = set(_little_endian(self._order))
        self._done = len(self._order) // 3 * 3  # three hashes are 32 characters without padding
        self._text = text[: self._done // 3 * 32]

    def __contains__(self, key: int) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, key: int) -> None:
        """Remember one."""
        if key not in self._known:
            self._known.add(key)
            self._order.append(key)

    def extend(self, keys: Iterable[int], bound: int) -> bool:
        """Remember them; False when one found no room, ``bound`` being known already. A call for each would take four times as long."""
        known, order = self._known, self._order
        for key in keys:
            if key not in known:
                if len(known) >= bound:
                    return False
                known.add(key)
                order.append(key)
        return True

    def text(self) -> str:
        """Base64 of them, 8 bytes each, little-endian."""
        whole = len(self._order) // 3 * 3
        self._text += _base64(self._order[self._done : whole])
        self._done = whole
        return self._text + _base64(self._order[whole:])


class KnownUsers:
    """The users of one kind of event; ``limits.FAILED_USERS_PER_ROLLOUT_MAX`` at most.

    ``candidate`` and ``stable`` are distinct users by the version where it happened to them first. ``uncounted`` are events that could
    not be counted once, for lack of room here or in a worker, and so were not counted at all.
    """

    def __init__(self, saved: SavedUsers | None = None) -> None:
        """As they were saved. Raises ``ValueError`` on what is no base64."""
        kept = saved or SavedUsers()
        self.candidate = kept.candidate
        self.stable = kept.stable
        self.uncounted = kept.uncounted
        self._seen = Hashes(kept.seen)
        self._on_candidate = Hashes(kept.on_candidate)

    @property
    def full(self) -> bool:
        """Whether there is no room: events of users not yet known are no longer counted, on either version."""
        return len(self._seen) >= limits.FAILED_USERS_PER_ROLLOUT_MAX

    @property
    def of_candidate(self) -> int:
        """Distinct users to whom it happened on the candidate, those included to whom it had happened on stable before."""
        return max(self.candidate, len(self._on_candidate))  # what 0.1.0 stored has the number only

    def count(self, user: int, *, is_candidate: bool) -> bool:
        """An event of this user (64 bits, signed or not); True when it is their first and is to be counted."""
        key = user & _HASH_MASK
        first = key not in self._seen
        if first and self.full:
            self.uncounted += 1
            return False
        if is_candidate:
            self._on_candidate.add(key)
        if first:
            self._seen.add(key)
            self.candidate += is_candidate
            self.stable += not is_candidate
        return first

    def saved(self) -> SavedUsers:
        """What makes the same users again."""
        return SavedUsers(self._seen.text(), self._on_candidate.text(), self.candidate, self.stable, self.uncounted)


def _base64(hashes: array[int]) -> str:
    return base64.b64encode(_little_endian(hashes).tobytes()).decode("ascii")


def _little_endian(hashes: array[int]) -> array[int]:
    """These very hashes. A state file may move between machines; on a big-endian one the bytes are swapped on the way out and in."""
    if sys.byteorder != "little":  # pragma: no cover - no such machine runs the tests
        hashes.byteswap()
    return hashes
