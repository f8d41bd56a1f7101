"""What of an answer may be shown and kept: never what looks like a secret or a person, by its name or by its looks.

A rule of thumb, not a promise: whoever compares answers that no one may read sets ``compare: false``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from proxy.shadow import looks

HIDDEN: Final = "(redacted)"

_SENSITIVE: Final = re.compile(
    r"passw|passphrase|secret|token|auth|cookie|session|api[-_]?key|credential|signature|card|cvv|iban|email|phone|ssn", re.IGNORECASE
)


def sensitive(name: str) -> bool:
    """Whether a member or a header of that name is never shown."""
    return bool(_SENSITIVE.search(name))


def value(shown: Any) -> Any:
    """A JSON value without the members that are never shown; tokens and digests are what they look like."""
    if isinstance(shown, dict):
        return {key: HIDDEN if sensitive(key) else value(item) for key, item in shown.items()}
    if isinstance(shown, list):
        return [value(item) for item in shown]
    if isinstance(shown, str) and (kind := looks.text(shown)) in ("token", "digest"):
        return f"<{kind}>"
    return shown


def target(text: str) -> str:
    """A request's target without the values of its query."""
    path, mark, query = text.partition("?")
    return path + mark + "&".join(pair.partition("=")[0] + "=…" for pair in query.split("&")) if mark else path
