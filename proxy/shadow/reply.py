"""An answer as comparing reads it: its fields apart, their names in lower case."""

from __future__ import annotations

import msgspec

from proxy.model.pair import Seen


class Reply(msgspec.Struct, frozen=True):
    """``headers`` are (name in lower case, value) in the order they came; the rest is as in ``Seen``."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    size: int = 0
    duration_s: float = 0.0
    failure: str = ""

    @classmethod
    def of(cls, seen: Seen) -> Reply:
        """The answer that a worker saw; its head was parsed there already, so every line has its colon."""
        headers = tuple(
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(b":") for line in seen.head.split(b"\r\n")[1:] if line)
        )
        return cls(seen.status, headers, seen.body, seen.size, seen.duration_s, seen.failure)

    @property
    def whole(self) -> bool:
        """Whether ``body`` is all of it."""
        return self.size == len(self.body)

    def header(self, name: bytes) -> bytes:
        """The value of a header, its values joined when there are several; empty when there is none."""
        return b", ".join(value for key, value in self.headers if key == name)
