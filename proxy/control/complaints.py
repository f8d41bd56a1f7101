"""What workers complain of for as long as it lasts, told once when it begins, when it changes, and when it is over.

Knows nothing of what is wrong: a complaint is a text that stands in every report, and an empty one when there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from proxy import limits
from proxy.clock import Clock
from proxy.telemetry.snapshot import Snapshot

Tell = Callable[[str, str, str, int], None]
"""Kind of event, service, text, worker."""


class Complaints:
    """Of all workers."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._files: dict[tuple[int, str], str] = {}
        self._names = _Names(clock, tell)

    def hear(self, slot: int, snapshot: Snapshot) -> None:
        """A report of the worker in ``slot``."""
        files = dict(_of_files(snapshot))
        self._files = {key: error for key, error in self._files.items() if key[0] != slot or key[1] in files}  # else it left the plan
        for where, error in files.items():
            if error != self._files.get((slot, where), ""):
                self._files[slot, where] = error
                self._tell("certificates", "", f"{where}: {error or 'its certificate files are taken'}", slot)
        self._names.hear(slot, snapshot)

    def down(self, slot: int) -> None:
        """That worker has ended, and complains no more; what it said of files its successor has to say anew."""
        self._files = {key: error for key, error in self._files.items() if key[0] != slot}
        self._names.down(slot)


def _of_files(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    for listener in snapshot.listeners:
        yield f"listener {listener.name}", listener.tls_error
    for name, error in snapshot.origin_tls.items():
        yield f"service {name}", error


class _Names:
    """Host names of endpoints that cannot be looked up. One failing name server is many workers' complaint: a name is told of once."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._complaining: dict[tuple[str, str, str], dict[int, str]] = {}  # endpoints, then workers
        self._told: dict[tuple[str, str, str], tuple[str, float]] = {}

    def hear(self, slot: int, snapshot: Snapshot) -> None:
        now = self._clock.now()
        named = set()
        for state in snapshot.endpoints:
            if state.lookups_failed is None:
                continue
            key = (state.service, state.version, state.endpoint)
            named.add(key)
            if state.lookup_error:
                self._complaining.setdefault(key, {})[slot] = state.lookup_error
                told, at = self._told.get(key, ("", -inf))
                if not told or (told != state.lookup_error and now - at >= limits.RESOLVE_AGAIN_S):
                    self._say(key, state.lookup_error, slot)
                    self._told[key] = state.lookup_error, now
            else:
                self._content(key, slot)
        for key in [key for key, slots in self._complaining.items() if (slot in slots or not slots) and key not in named]:
            self._content(key, slot)  # the endpoint has left the plan, maybe after the only worker that complained of it

    def down(self, slot: int) -> None:
        for slots in self._complaining.values():
            slots.pop(slot, None)

    def _content(self, key: tuple[str, str, str], slot: int) -> None:
        slots = self._complaining.get(key)
        if slots is None:
            return
        slots.pop(slot, None)
        if not slots:
            del self._complaining[key], self._told[key]
            self._say(key, "looked up again", slot)

    def _say(self, key: tuple[str, str, str], text: str, slot: int) -> None:
        service, version, endpoint = key
        self._tell("lookup", service, f"version {version}, endpoint {endpoint}: {text}", slot)
