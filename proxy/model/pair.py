"""One request's answers side by side: the original's, the copy's, and the noise leg's. What comparing works on, and nothing else."""

from __future__ import annotations

import msgspec


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """One answer as it came from the origin. ``status`` 0: none came, and ``failure`` is the cause (as in ``failures_total``).

    ``headers`` are (name in lower case, value) in the order they came. ``size`` is the whole body's in bytes; ``body`` may be its
    beginning only. ``duration_s`` runs from the request's last byte sent to the answer's last byte received.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    size: int = 0
    duration_s: float = 0.0
    failure: str = ""

    @property
    def whole(self) -> bool:
        """Whether ``body`` is all of it."""
        return self.size == len(self.body)

    def header(self, name: bytes) -> bytes:
        """The value of a header, its values joined when there are several; empty when there is none."""
        return b", ".join(value for key, value in self.headers if key == name)


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
    original: Reply
    copy: Reply
    noise: Reply | None = None
