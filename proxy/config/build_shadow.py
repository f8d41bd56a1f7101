"""A service's copies into the frozen model, and back into the form of the file; ``build`` does the rest."""

from __future__ import annotations

from typing import Any

from proxy.config import schema
from proxy.config.scalars import shown_duration
from proxy.config.scalars_route import shown_size
from proxy.model.service import Shadow


def shadow(given: schema.Shadow) -> Shadow:
    """The whole of it."""
    return Shadow(
        version=given.version,
        percent_bp=given.percent,
        timeout_s=given.timeout,
        max_in_flight=given.max_in_flight,
        max_bytes=given.max_bytes,
        compare=given.compare,
        ignore=tuple(path for path in given.ignore if path is not None),
        allow=tuple(path for path in given.allow if path is not None),
        noise=given.noise,
        redact=tuple(name for name in given.redact if name is not None),
    )


def shown_shadow(shadow: Shadow) -> dict[str, Any]:
    """In the form of the file; the keys that need another one are left out without it."""
    shown: dict[str, Any] = {
        "timeout": shown_duration(shadow.timeout_s),
        "max_in_flight": shadow.max_in_flight,
        "compare": shadow.compare,
        "redact": list(shadow.redact),
    }
    if shadow.version:
        shown = {"version": shadow.version, "percent": percent(shadow.percent_bp)} | shown
    if shadow.compare:
        shown["max_bytes"] = shown_size(shadow.max_bytes)
    listed = {"ignore": list(shadow.ignore), "allow": list(shadow.allow), "noise": shadow.noise}
    return shown | {key: value for key, value in listed.items() if value}


def percent(bp: int) -> float:
    """Basis points as percent, whole where it is whole."""
    whole, rest = divmod(bp, 100)
    return bp / 100 if rest else whole
