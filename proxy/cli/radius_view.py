"""The blast radius in a line, for ``status``. Pure: an API value in, a sentence out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.cli.output import counted


def reached(view: Mapping[str, Any]) -> str:
    """Whom the candidate of a service's view has reached; empty when none is tried or none was reached."""
    radius = view.get("blast_radius")
    if not view.get("candidate") or not isinstance(radius, Mapping) or not radius.get("requests"):
        return ""
    said = counted(radius["requests"], "request")
    if radius.get("users") is not None:
        said += f" of {_users(radius['users'], radius.get('users_at_least'))}"
    if errors := radius.get("errors"):
        said += f"; {errors} failed"
        if saved := radius.get("saved_by_fallback"):
            said += f", stable answered {saved} of them"
        if radius.get("users_with_errors") is not None:
            said += f", {_users(radius['users_with_errors'], radius.get('users_with_errors_at_least'))} saw an error"
    return said


def _users(count: int, at_least: Any) -> str:
    return f"{'at least ' if at_least else ''}{counted(count, 'user')}"
