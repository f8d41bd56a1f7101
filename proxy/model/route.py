"""Routes and what they match. Frozen nouns; the order of precedence is ``routing.table``'s business."""

from __future__ import annotations

import msgspec


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is set must hold. At most one of ``path``, ``path_prefix``, ``path_regex`` is set; none means every path.

    ``host`` is lower case without port, exact or ``*.suffix``; empty for any. ``headers`` names are lower case and values exact.
    ``query`` values are compared after percent-decoding. ``path_prefix`` matches whole segments: ``/a`` does not match ``/ab``.
    """

    host: str = ""
    path: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that match go to ``service``. The order of routes in a plan is the order of the file."""

    match: Match
    service: str
