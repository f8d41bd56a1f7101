"""Each service's last known stable, in a small JSON file beside the database: what is left when the database is not.

Written whole, to a temporary file that is synced and renamed over the old one, and the directory synced after it. Knows no SQL.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from proxy.model.position import Phase, Position


class _File(msgspec.Struct):
    """The whole file. ``note`` is for whoever opens it."""

    services: dict[str, Position]
    note: str = "last known stables; read only when the database beside it is missing or damaged"


def beside(path: Path) -> Path:
    """Where the file of a database is."""
    return path.with_name(path.name + ".last-known.json")


def settled(position: Position) -> Position:
    """Where a service falls to: its stable with everything, and a refused target still refused, so that it is not tried again."""
    stable, rollout, previous = position.stable, position.rollout, position.previous
    if position.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        refused = Position(position.service, stable, Phase.ROLLED_BACK, position.candidate, position.target, position.fingerprint)
        return replace(refused, rollout=rollout, previous=previous, configured=position.configured, reason=position.reason)
    rest = Position(position.service, stable, rollout=rollout, previous=previous)
    if position.phase is Phase.STABLE:
        return replace(rest, target=position.target, fingerprint=position.fingerprint, configured=position.configured)
    return replace(rest, target=stable, configured=stable)  # forgotten: as its target is named again, it begins anew


def read(path: Path) -> dict[str, Position] | None:
    """What the file says, or None when there is none. Raises ``ValueError`` when it cannot be read as what it should be."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(content, type=_File).services
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def write(path: Path, services: Mapping[str, Position]) -> None:
    """Replace the file atomically and durably. Raises ``OSError``."""
    content = msgspec.json.format(msgspec.json.encode(_File(dict(services))), indent=1)
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot sync a directory; the content is synced already
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
