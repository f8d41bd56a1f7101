"""One request's answers side by side: the original's, the copy's, and the noise leg's. What goes from a worker to be compared."""

from __future__ import annotations

import msgspec


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """One answer as a worker saw it. ``status`` 0: none came, and ``failure`` is the cause (as in ``failures_total``).

    ``head`` is the status line and the fields, without those of the connection. ``size`` is how many bytes of the body came; ``body``
    is its beginning, and all of it unless that was too much. ``duration_s`` runs from the request sent to the head received.
    """

    status: int
    head: bytes = b""
    body: bytes = b""
    size: int = 0
    duration_s: float = 0.0
    failure: str = ""


class Pair(msgspec.Struct, frozen=True, array_like=True):
    """A request that was mirrored: where it came in (``route`` is the route's name), ``target`` as in its start line, and its answers.

    ``noise`` is there when the service has a noise version. ``at_s`` is Unix time.
    """

    service: str
    version: str
    route: str
    method: str
    target: str
    at_s: float
    original: Seen
    copy: Seen
    noise: Seen | None = None
