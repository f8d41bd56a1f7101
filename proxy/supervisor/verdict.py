"""The last word on a barrier: whoever says it first, supervisor or worker, says it for all of them, and for good.

A worker that holds cannot know by itself whether the others have switched: its order may be on the way, or its supervisor dead. So the
outcome is not in any process's memory. It is a symbolic link whose target is the word: the kernel makes it whole or not at all, and
refuses a second one. Knows nothing of what is switched, or why.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, cast

Outcome = Literal["switch", "stay"]

SWITCH: Final = "switch"
STAY: Final = "stay"

UNSUPPORTED: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system without symbolic links answers: there nobody will ever be able to say a word."""

_SUFFIX: Final = ".verdict"


class Verdicts:
    """Those of one supervisor (``instance``) and its workers, beside its lock. ``number`` names a barrier."""

    def __init__(self, lock: Path, instance: str) -> None:
        self._lock = lock
        self._instance = instance

    def _path(self, number: int) -> Path:
        return self._lock.with_name(f"{self._lock.name}.{self._instance}.{number}{_SUFFIX}")

    def say(self, number: int, outcome: Outcome) -> Outcome:
        """Have it end so, unless somebody has spoken before; returns how it ends. Raises ``OSError`` when neither can be done."""
        path = self._path(number)
        try:
            os.symlink(outcome, path)
        except OSError as error:  # there is one already; or the disk is full, and then too what was said before counts
            try:
                return cast(Outcome, os.readlink(path))
            except OSError:
                raise error from None
        return outcome

    def forget(self, number: int) -> None:
        """Nobody holds for this barrier any more."""
        with suppress(OSError):
            self._path(number).unlink()

    def sweep(self, before_s: float) -> None:
        """Forget those of other supervisors that were said before that Unix time, when nobody holds for them any more."""
        with suppress(OSError):
            for path in self._lock.parent.glob(f"{self._lock.name}.*{_SUFFIX}"):
                if not path.name.startswith(f"{self._lock.name}.{self._instance}.") and path.lstat().st_mtime < before_s:
                    path.unlink()
