"""A directory that only this user can look into, for a unix socket: named once, made when it is needed, again when somebody removed it.

It is in the temp directory, for a socket's path may not be long, and beside a state file it could be.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from proxy import limits

_TEMPORARY = Path("/tmp")  # what is put there has a name nobody can guess, and is checked before it is used


def named(inside: str) -> Path:
    """A path that nothing has yet, short enough for a socket called ``inside`` in it. Makes nothing, and does not fail."""
    try:
        parent = Path(tempfile.gettempdir())
    except FileNotFoundError:
        parent = _TEMPORARY  # nothing can be written there now either; whoever makes it is told so
    name = f"headgate-{secrets.token_hex(8)}"
    fits = len(os.fsencode(parent / name / inside)) <= limits.UNIX_PATH_BYTES_MAX
    return (parent if fits else _TEMPORARY) / name


def make(path: Path) -> None:
    """Have it there. Raises OSError when it cannot be made, or what is there is not this user's alone."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not _ours(path):
            raise FileExistsError(errno.EEXIST, "it is there already, and not this user's alone", str(path)) from None


def remove(path: Path) -> None:
    """Have it gone, with what is in it; what is not ours stays."""
    if _ours(path):
        shutil.rmtree(path, ignore_errors=True)


def _ours(path: Path) -> bool:
    try:
        found = path.lstat()  # a link to a directory of ours would be somebody else's to turn
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & 0o777 == 0o700
