"""Pairs for tests, from the values that were answered."""

from __future__ import annotations

import json
from typing import Any

from proxy.model.pair import Pair, Seen
from proxy.shadow.compare import Rules
from proxy.shadow.counts import Counts


def seen(value: Any, duration_s: float = 0.01) -> Seen:
    """A JSON answer."""
    body = json.dumps(value).encode()
    return Seen(200, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", body, len(body), duration_s)


def pair(original: Any, copy: Any, noise: Any = None, *, route: str = "r", target: str = "/a") -> Pair:
    """What v1, v2 and, unless it is None, the noise leg answered."""
    return Pair("shop", "v2", route, "GET", target, 5.0, seen(original), seen(copy), None if noise is None else seen(noise))


def counted(*pairs: Pair, ignore: tuple[str, ...] = ()) -> Counts:
    """All of them counted."""
    counts = Counts("shop", "v2", 0.0)
    for one in pairs:
        counts.add(one, Rules(ignore))
    return counts
