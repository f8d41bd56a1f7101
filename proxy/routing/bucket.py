"""The one stable hash: who is in, for splits and later for experiments and flags.

A user's place is decided by weighted rendezvous hashing (Thaler & Ravishankar 1998; Schindelhauer & Schomaker 2005): each version
scores ``-ln(u) / weight`` with ``u`` in (0, 1) drawn by hash from the user's key and the version's salt, and the lowest score wins. So
a version's share of users is its share of weight; raising one weight moves users only *into* that version; lowering it returns exactly
those; and a weight of 0 is never chosen. The salt is the version's, so the first users of every canary are not the same people.

Pure: knows nothing of cookies, requests or configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import log

import mmh3

_SPACE = 2.0**32
_BITS_64 = (1 << 64) - 1
_MIX = 0x9E3779B97F4A7C15
"""Odd, and 2^64 over the golden ratio: its products spread over the upper bits (Knuth, The Art of Computer Programming 3, 6.4)."""


def salt(service: str, version: str) -> int:
    """The seed of one version: 32 bits, the same in every process and after every restart."""
    return mmh3.hash(f"{service}/{version}".encode(), 0, False)


def user_hash(key: bytes) -> int:
    """64 bits that stand for a user's key; the key itself is kept nowhere."""
    return mmh3.hash64(key, 0, signed=False)[0]  # by keyword: mmh3 5.3 ignores a fourth positional argument


def choose(key: bytes, salts: Sequence[int], weights: Sequence[float]) -> int:
    """The index of the version that ``key`` belongs to. At least one weight is above 0."""
    best, best_score = -1, 0.0
    for index, weight in enumerate(weights):
        if weight > 0.0:
            score = -log((mmh3.hash(key, salts[index], False) + 0.5) / _SPACE) / weight
            if best < 0 or score < best_score:
                best, best_score = index, score
    assert best >= 0, "a split without weight was compiled"
    return best


def edges(weights: Sequence[float]) -> tuple[float, ...]:
    """Cumulative shares, ending in exactly 1.0: a draw in [0, 1) belongs to the first edge above it. At least one weight is above 0."""
    total = sum(weights)
    assert total > 0, "a split without weight was compiled"
    sums = [x / total for x in accumulate(weights)]
    last = max(index for index, weight in enumerate(weights) if weight > 0)
    return tuple(sums[:last]) + (1.0,) * (len(weights) - last)


def sampled(user: int, share: float, chance: Callable[[], float]) -> bool:
    """Whether a request is among a ``share`` (0..1) of all: a known user's (``user`` is its ``user_hash``) always or never is.

    Independent of the version the user has, which is drawn by other hashes of the same key; raising the share only adds users.
    """
    if not user:
        return chance() < share
    return (user * _MIX & _BITS_64) >> 32 < share * _SPACE
