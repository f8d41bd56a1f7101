"""How durations and weights are written in reasons and in status. For people; nothing parses these."""

from __future__ import annotations

import math
from collections.abc import Sequence


def duration(seconds: float) -> str:
    """``41 s``, ``5m0s``, ``2h0m0s``; fractions are rounded up, so that what is still missing is never called 0."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s"


def percent(weight_bp: int) -> str:
    """Basis points as ``5 %`` or ``0.25 %``."""
    return f"{weight_bp / 100:g} %"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; of more than that the first two and how many there are besides."""
    if len(names) > 3:
        return f"{names[0]}, {names[1]} and {len(names) - 2} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "nothing"


def said_of(names: Sequence[str], verb: str, rest: str) -> str:
    """``a is ill``, ``a and b are ill``: names with ``is``, ``has``, ``was`` or ``gets`` in the number they need."""
    many = {"is": "are", "has": "have", "was": "were", "gets": "get"}
    return f"{listed(names)} {verb if len(names) == 1 else many[verb]} {rest}"
