"""Who is in charge of a state file: a lock that the living supervisor holds, and one JSON line in it that says how far it is.

The lock (flock) dies with its holder, so a crash needs no cleaning up. The line stays, and tells the next supervisor what the last
one left behind, and the workers of a dead one when they may leave. Knows nothing of what the state is.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from proxy.errors import OperatorError

_LINE_BYTES_MAX = 64 * 1024


class Claim(msgspec.Struct, frozen=True):
    """The line. ``instance`` is unique per start, for process numbers come again; ``sockets`` are (path, device, inode) of unix
    listeners, by which the next start tells its predecessor's from a stranger's."""

    pid: int
    instance: str
    serving: bool = False
    workers: tuple[int, ...] = ()
    sockets: tuple[tuple[str, int, int], ...] = ()


def lock_path(state_path: str) -> Path:
    """Where the lock of a state file is."""
    return Path(state_path + ".lock")


def read_claim(path: Path) -> Claim | None:
    """The line as it stands; None when there is none, or it is being written."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LINE_BYTES_MAX), type=Claim)
    except (OSError, msgspec.DecodeError):
        return None


class StateLock:
    """The lock, held. ``predecessor`` is the line that stood there before."""

    def __init__(self, path: Path) -> None:
        """Raises ``OperatorError`` naming the holder's process when somebody else has it."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OperatorError(f"state.path: {path.parent} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            holder = read_claim(path)
            who = f"process {holder.pid}" if holder else "another process"
            raise OperatorError(
                f"{who} already runs headgate on this state ({path} is held): stop it first, or give this one its own state.path"
            ) from None
        self.predecessor = read_claim(path)

    def write(self, claim: Claim) -> None:
        """Replace the line. In place, for the lock belongs to this very file."""
        line = msgspec.json.encode(claim) + b"\n"
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, line, 0)

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)
