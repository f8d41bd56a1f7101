"""The keys and words of the format that this version does not act on, and therefore refuses.

A key that is read and acted on by nothing would be a silent failure. So each stands here until something acts on it, and is
taken out by the change that makes it act. The schema describes only what is served, and the effective configuration shows nothing else.
"""

from __future__ import annotations

from typing import Any, Final

NOT_SERVED: Final[dict[str, frozenset[str]]] = {
    "File": frozenset({"experiments", "flags", "gitops", "fleet"}),
}
"""Keys by the name of the schema's mapping."""

NOT_SERVED_WORDS: Final[dict[str, frozenset[str]]] = {}
"""Words by their key; none at present."""


def only_served(part: str, shown: dict[str, Any]) -> dict[str, Any]:
    """``shown`` without what a mapping of the schema does not serve."""
    refused = NOT_SERVED.get(part, frozenset())
    return {key: value for key, value in shown.items() if key not in refused}
