"""A URL as people may see it. Secrets stand in front of its host and behind its path, so neither is ever shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Scheme, host and path; ``?...`` where a query was. What cannot be taken apart is not shown at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that is none"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?..." if parts.query else "")
