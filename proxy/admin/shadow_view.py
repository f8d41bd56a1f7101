"""The comparison report as the API shows it: what became of the copies, and beside it what the comparer says."""

from __future__ import annotations

from typing import Any

import msgspec

from proxy.control.comparisons import shadow_of
from proxy.control.loop import Control
from proxy.model.service import Service


async def shadow_view(control: Control, service: Service) -> dict[str, Any]:
    """``shadow`` is null while no copies are sent; ``report`` while nothing is compared. ``copies`` are since the start, by version."""
    standing = control.standings.get(service.name)
    shadow = shadow_of(service, standing.position if standing is not None else None)
    copies = {
        version: msgspec.to_builtins(total)
        for (name, version), total in sorted(control.totals.shadows().items())
        if name == service.name
    }
    return {
        "service": service.name,
        "shadow": None if shadow is None else _plain(msgspec.to_builtins(shadow)),
        "copies": copies,
        "report": await control.comparisons.report(service.name),
    }


def _plain(shadow: dict[str, Any]) -> dict[str, Any]:
    """Percent for people, where the plan has basis points."""
    return {"percent" if key == "percent_bp" else key: value / 100 if key == "percent_bp" else value for key, value in shadow.items()}
