"""What the supervisor and the comparer say to each other. Pairs come to the comparer from the workers, by another way."""

from __future__ import annotations

from typing import Any

import msgspec


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one service's pairs are compared. Counts begin anew when anything here but ``allow`` changes; ``rollout`` is its number."""

    version: str
    noise: str = ""
    ignore: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    rollout: int = 0


class Compare(msgspec.Struct, frozen=True, tag="compare"):
    """Compare these services' pairs from now on, and no others'."""

    services: dict[str, Rules]


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Show the report of a service."""

    id: int
    service: str


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    """The report that was asked for; None when the service is not compared."""

    id: int
    report: dict[str, Any] | None


class Summary(msgspec.Struct, frozen=True, tag="summary"):
    """How a service stands now: pairs compared, copies that broke, the mismatch rate (0..1, None without a pair), and what differs.

    ``word`` is the report's, ``different`` names the paths that differ, the most frequent first (a few of them).
    """

    service: str
    version: str
    rollout: int
    compared: int
    failed: int
    mismatch_rate: float | None
    word: str
    reason: str
    different: tuple[str, ...] = ()


class Unkept(msgspec.Struct, frozen=True, tag="unkept"):
    """Why the counts could not be written just now; empty when they could. Said at every writing."""

    why: str


Down = Compare | Ask
Up = Shown | Summary | Unkept
