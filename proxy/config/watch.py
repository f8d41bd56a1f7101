"""Notices that the configuration's content changed, however it was changed. Knows nothing of what the content means.

Two looks, both by polling. The quick look takes the stat of every file (device, inode, mtime, size, symlinks followed), a few
microseconds each. Once it differs from the one before, the content is read as soon as two quick looks in a row agree, so a file that is
being written is left to settle first. The slow look reads the content whatever the stat says: it catches a rewrite of the same size
within one tick of the file system's clock, and mounts whose stat does not move.

This is enough, and sturdier than inotify here: an editor's rename, a ConfigMap's symlink swap and a bind mount all change what the path
leads to rather than the file that was watched, which is what makes inotify watches go blind; network and overlay file systems may send
no events at all. What polling costs is the quick interval: a change is seen within two or three of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from proxy import limits
from proxy.clock import Clock, SystemClock
from proxy.config import sources

_Stat = tuple[tuple[str, int, int, int, int], ...]


class Watcher:
    """Calls ``on_change`` when the content at ``path`` (a file or a directory) differs from what it was at the last call.

    The content at construction is the first that counts as known: make the watcher *before* the configuration is loaded, so that no
    change falls between. Nothing is called while the path is missing, unreadable or empty: so does a replacement look half-way.
    """

    def __init__(
        self,
        path: Path,
        on_change: Callable[[], None],
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._stat = self._quick()
        self._known = self._content()
        self._unsettled = False
        self._read_at = self._clock.now()

    async def run(self) -> None:
        """Look for ever; an exception of ``on_change`` ends it."""
        while True:
            await self._sleep(limits.CONFIG_QUICK_LOOK_S)
            if self.look():
                self._on_change()

    def look(self) -> bool:
        """One look; whether the content has changed and settled."""
        stat = self._quick()
        if stat != self._stat:
            self._stat = stat
            self._unsettled = True
            return False
        now = self._clock.now()
        if not self._unsettled and now - self._read_at < limits.CONFIG_POLL_S:
            return False
        content = self._content()
        if self._quick() != stat:
            self._unsettled = True
            return False  # it changed while it was read
        self._unsettled = False
        self._read_at = now
        if content is None or content == self._known:
            return False
        self._known = content
        return True

    def _quick(self) -> _Stat:
        """The stat of every file; a missing one counts as such."""
        try:
            return tuple(self._one(file) for file in sources.files(self._path))
        except OSError:
            return ()

    @staticmethod
    def _one(file: Path) -> tuple[str, int, int, int, int]:
        try:
            stat = file.stat()
        except OSError:
            return (file.name, 0, 0, 0, -1)
        return (file.name, stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def _content(self) -> str | None:
        """The digest of names and bytes; None while there is nothing to read."""
        try:
            read = sources.read(self._path)
        except sources.Unreadable:
            return None
        if not any(data for _, data in read):
            return None
        return sources.digest(part for name, data in read for part in (name.encode(), data))
