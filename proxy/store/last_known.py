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
from proxy.model.rollout import RolloutPlan


class _File(msgspec.Struct):
    """The whole file. ``note`` is for whoever opens it."""

    services: dict[str, Position]
    note: str = "last known stables; read only when the database beside it is missing or damaged"


def beside(path: Path) -> Path:
    """Where the file of a database is."""
    return path.with_name(path.name + ".last-known.json")


def settled(position: Position) -> Position:
    """Where a service falls to: its stable with everything, and a refused target still refused, so that it is not tried again."""
    if position.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        rest = replace(position, phase=Phase.ROLLED_BACK)
    elif position.phase is Phase.STABLE:
        rest = replace(position, reason="")
    else:  # what was under way is forgotten: as the target is named again, it begins anew
        rest = Position(position.service, position.stable, rollout=position.rollout)
        rest = replace(rest, target=position.stable, configured=position.stable)
    return replace(
        rest,
        plan=RolloutPlan(),
        step=0,
        weight_bp=0,
        step_elapsed_s=0.0,
        step_requests=0,
        elapsed_s=0.0,
        since_s=0.0,
        guard_floor=0.0,
    )


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
