"""Whether a worker has room for one more client. A full one refuses at the door: running out of descriptors would hit everybody inside.

Facts. The kernel gives a new connection the lowest free descriptor, so a high number means that all below it are taken: no counting is
needed to know that the limit is near. Asking for a number costs two system calls, so while there are few clients only one in
``limits.ROOM_ASKED_EACH`` is asked for its own. Knows nothing of listeners, which have bounds of their own.
"""

from __future__ import annotations

import asyncio
import resource

from proxy import limits


class Room:
    """One worker's."""

    def __init__(self, descriptors_max: int | None = None) -> None:
        """``descriptors_max`` is the process's limit; None asks the system."""
        if descriptors_max is None:
            descriptors_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors_max == resource.RLIM_INFINITY:
            descriptors_max = 1 << 30
        self._highest = int(descriptors_max * (1 - limits.DESCRIPTORS_FOR_ORIGINS))
        self._few = self._highest // 8
        self._turn = 0
        self._refused = 0

    def has_place(self, clients: int, transport: asyncio.BaseTransport) -> bool:
        """Whether the client of ``transport`` may stay beside so many others; one that may not is counted."""
        if clients < limits.CLIENTS_PER_WORKER_MAX:
            if clients < self._few:
                self._turn = (self._turn + 1) % limits.ROOM_ASKED_EACH
                if self._turn:
                    return True
            sock = transport.get_extra_info("socket")
            if sock is None or sock.fileno() < self._highest:
                return True
        self._refused += 1
        return False

    def take_refused(self) -> int:
        """Clients refused since the last call."""
        refused, self._refused = self._refused, 0
        return refused
