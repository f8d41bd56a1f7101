"""The access log: a request leaves its facts, some dozens are encoded in one go, and what has gathered is written by a thread.

A line takes under a microsecond where others have just been made, and ten amidst a request, whose code it drives out of the caches.
Handing each to the thread would cost twenty, in turns of the interpreter between the two. The log can lose lines, never time: what
waits for the disk is bounded, and what does not fit is counted. Header values are not logged at all, so no credential can be; the query
string is left out for the same reason.
"""

from __future__ import annotations

import os
import queue
import select
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from random import random

import msgspec

from proxy import limits

Outcome = tuple[int, str | None, float, int, str, bool, str, str]
"""Code, cause, seconds, retries, who answered instead, whether our own limit did, and for our own answers: which kind, and why."""

Entry = tuple[float, bytes, bytes, bytes, bytes, tuple[str, str], Outcome, bytes]
"""Wall clock, client's address, method, host, path, service and version, outcome, request id."""

_STDOUT = 1
_CLOSED = -1  # no descriptor; a write to it fails
_TRY_AGAIN_MS = 1000


def _moment(wall_ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return f"{datetime.fromtimestamp(wall_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03d}Z"


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """One line, in the order in which its keys are written; what has nothing to say is left out."""

    at: str
    client: str
    method: str
    host: str
    path: str
    service: str
    code: int
    duration_ms: float
    version: str
    request_id: str
    cause: str | None = None
    retries: int = 0
    answered_by: str = ""
    limited: bool = False
    own: str = ""
    reason: str = ""


class AccessLog:
    """One log file of a worker. ``offer`` never blocks; all but ``_run`` and what it calls is of the loop's thread."""

    def __init__(
        self, path: str, sample: float, *, later: Callable[[float, Callable[[], None]], object], chance: Callable[[], float] = random
    ) -> None:
        """``path`` ``-`` is standard output; ``sample`` in 0..1 of the requests that did not fail. ``later`` calls after some seconds.

        Raises OSError when it cannot be opened.
        """
        self._path = path
        self._sample = sample
        self._later = later
        self._chance = chance
        self._encode = msgspec.json.Encoder().encode_lines
        # the loop's
        self._entries: list[Entry] = []
        self._batch = bytearray()
        self._lines = 0
        self._due = False
        self._handed = 0
        self._dropped = 0
        self._told = 0
        self._over = False
        self._queue: queue.SimpleQueue[tuple[bytearray, int] | str] = queue.SimpleQueue()
        # the thread's; the loop reads the two counts
        self._written = 0
        self._lost = 0
        self._torn = False
        self._use(self._open())
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def wanted(self, failed: bool) -> bool:
        """Whether a request is to be logged: every failure, and a sample of the rest."""
        return failed or self._sample >= 1.0 or self._chance() < self._sample

    def offer(self, entry: Entry) -> None:
        """Keep one request to be written soon; after ``close``, forget it."""
        if self._over:
            return
        entries = self._entries
        entries.append(entry)
        if len(entries) >= limits.ACCESS_LOG_TOGETHER:
            self._render()
            if len(self._batch) >= limits.ACCESS_LOG_BATCH_BYTES:
                self.flush()
        elif not self._due:
            self._due = True
            self._later(limits.ACCESS_LOG_BATCH_S, self._flush_due)

    def _render(self) -> None:
        lines = []
        before, at = -1, ""
        for wall_s, client, method, host, path, (service, version), outcome, request_id in self._entries:
            code, cause, duration_s, retries, answered_by, limited, own, reason = outcome
            wall_ms = int(wall_s * 1000)
            if wall_ms != before:
                before, at = wall_ms, _moment(wall_ms)
            lines.append(
                Line(
                    at,
                    client.decode("ascii", "backslashreplace"),  # from a trusted peer it may be anything
                    method.decode(),
                    host.decode(),
                    path.decode(),
                    service,
                    code,
                    int(duration_s * 1_000_000 + 0.5) / 1000,
                    version,
                    request_id.decode(),
                    cause,
                    retries,
                    answered_by,
                    limited,
                    own,
                    reason,
                )
            )
        self._entries.clear()
        self._batch += self._encode(lines)
        self._lines += len(lines)

    def _flush_due(self) -> None:
        self._due = False
        self.flush()

    def flush(self) -> None:
        """Hand what has gathered to the thread, or count it as dropped when too much waits there."""
        self._render()
        batch, lines = self._batch, self._lines
        if not lines:
            return
        self._batch, self._lines = bytearray(), 0
        if self._handed - self._written + len(batch) > limits.ACCESS_LOG_WAITING_BYTES_MAX:
            self._dropped += lines
            return
        self._handed += len(batch)
        self._queue.put((batch, lines))

    def take_dropped(self) -> int:
        """Lines that did not fit or could not be written, since the last call."""
        before, self._told = self._told, self._dropped + self._lost
        return self._told - before

    def reopen(self) -> None:
        """Open the file anew, after a rotation."""
        self.flush()
        self._queue.put("reopen")

    def close(self, wait_s: float = 0.0) -> None:
        """Write what is left and stop. Without ``wait_s`` that is done behind the caller's back: a slow disk must not stop a loop."""
        self.flush()
        self._over = True
        self._queue.put("close")
        if wait_s:
            self._thread.join(wait_s)

    # -- the thread ---------------------------------------------------------------------------------------------------------------

    def _open(self) -> int:
        return _STDOUT if self._path == "-" else os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _use(self, file: int) -> None:
        self._file = file
        self._whole = stat.S_ISREG(os.fstat(file).st_mode)  # appended as one piece, whoever else writes there

    def _run(self) -> None:
        while (item := self._queue.get()) != "close":
            if isinstance(item, tuple):
                batch, lines = item
                self._lost += self._lines_lost(batch, lines)
                self._written += len(batch)
                continue
            self._leave()
            try:
                self._use(self._open())
            except OSError:
                self._file = _CLOSED  # it costs lines until it can be opened
        self._leave()

    def _leave(self) -> None:
        if self._file not in (_STDOUT, _CLOSED):
            os.close(self._file)

    def _lines_lost(self, batch: bytearray, lines: int) -> int:
        """Write what can be; how many of the lines that was not."""
        at, view = 0, memoryview(batch)
        try:
            if self._torn:
                self._torn = self._write(b"\n") != 1  # what comes must not be taken for the rest of a line that was cut
            while at < len(batch):
                at += self._write(view[at : self._end(batch, at)])
        except OSError:  # a full disk or a closed pipe
            self._torn = at > 0 and batch[at - 1 : at] != b"\n"
            return lines - batch.count(b"\n", 0, at)
        return 0

    def _end(self, batch: bytearray, at: int) -> int:
        """How far one write may go: a pipe that several processes share keeps only so much in one piece."""
        if self._whole or len(batch) - at <= select.PIPE_BUF:
            return len(batch)
        return (batch.rfind(b"\n", at, at + select.PIPE_BUF) + 1) or (batch.find(b"\n", at) + 1)

    def _write(self, data: bytes | memoryview) -> int:
        while True:
            try:
                return os.write(self._file, data)
            except BlockingIOError:  # a pipe that somebody made so
                poll = select.poll()
                poll.register(self._file, select.POLLOUT)
                poll.poll(_TRY_AGAIN_MS)
