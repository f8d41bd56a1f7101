"""The access log, taken off the request path: an exchange leaves a tuple, a thread renders JSON lines with structlog and writes them.

It can lose lines, never time: the queue is bounded and what does not fit is counted. Header values are not logged at all, so no
credential can be; the query string is left out for the same reason.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from random import random
from typing import IO, Any

from proxy import limits
from proxy.telemetry.plain_structlog import structlog

Entry = tuple[float, str, str, str, str, str, int, str | None, float, str, str, int, str, bool, str, str]
Outcome = tuple[int, str | None, float, int, str, bool, str, str]
"""Code, cause, seconds, retries, who answered instead, whether our own limit did, and for our own answers: which kind, and why."""

_FIELDS = ("at", "client", "method", "host", "path", "service", "code", "cause", "duration_ms", "version", "request_id")
_RARE = ("retries", "answered_by", "limited", "own", "reason")  # left out when there is nothing to say


class AccessLog:
    """One log file of a worker. ``offer`` never blocks."""

    def __init__(self, path: str, sample: float, *, chance: Callable[[], float] = random) -> None:
        """``path`` ``-`` is standard output; ``sample`` in 0..1 of the requests that did not fail."""
        self._path = path
        self._sample = sample
        self._chance = chance
        self.dropped = 0
        self._queue: queue.SimpleQueue[Entry | str] = queue.SimpleQueue()
        self._stream = self._open()
        self._render = structlog.processors.JSONRenderer()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def _open(self) -> IO[str]:
        return sys.stdout if self._path == "-" else open(self._path, "a", buffering=1, encoding="utf-8")

    def wanted(self, failed: bool) -> bool:
        """Whether a request is to be logged: every failure, and a sample of the rest."""
        return failed or self._sample >= 1.0 or self._chance() < self._sample

    def offer(self, entry: Entry) -> None:
        """Queue one line, or count it as dropped."""
        if self._queue.qsize() >= limits.ACCESS_LOG_QUEUE_MAX:
            self.dropped += 1
        else:
            self._queue.put(entry)

    def take_dropped(self) -> int:
        """Lines dropped since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def reopen(self) -> None:
        """Open the file anew, after a rotation."""
        self._queue.put("reopen")

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put("close")
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            try:
                if isinstance(item, tuple):
                    self._stream.write(self.line(item))
                    if self._stream is sys.stdout and self._queue.empty():
                        self._stream.flush()
                    continue
                if self._stream is sys.stdout:
                    self._stream.flush()
                else:
                    with contextlib.suppress(OSError):  # lines a full disk left in its buffer fail again; the new file is opened still
                        self._stream.close()
                if item == "close":
                    return
                self._stream = self._open()
            except (OSError, ValueError):
                self.dropped += 1  # a full disk or a closed pipe costs lines, never requests
                if item == "close":
                    return

    def line(self, entry: Entry) -> str:
        """One JSON object and a newline."""
        event: dict[str, Any] = dict(zip(_FIELDS, entry[: len(_FIELDS)], strict=True))
        event["at"] = datetime.fromtimestamp(entry[0], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event["duration_ms"] = round(entry[8] * 1000, 3)
        if entry[7] is None:
            del event["cause"]
        event.update((key, value) for key, value in zip(_RARE, entry[len(_FIELDS) :], strict=True) if value)
        return str(self._render(None, "", event)) + "\n"
