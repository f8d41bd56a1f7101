"""A URL as people may see it. Secrets stand in front of its host and behind its path, so neither is ever shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Scheme, host and path; ``?...`` where a query was. What cannot be taken apart is not shown at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that is none"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?..." if parts.query else "")


def without_secrets(value: Any) -> Any:
    """Plain values, as of a plan, with each ``url`` and ``address`` as people may see it."""
    if isinstance(value, dict):
        return {key: shown(v) if key in ("url", "address") and v else without_secrets(v) for key, v in value.items()}
    return [without_secrets(v) for v in value] if isinstance(value, list | tuple) else value
