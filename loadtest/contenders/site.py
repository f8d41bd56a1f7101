"""What a contender is given, and what it must say of itself. Knows none of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """Where one contender runs: its own folder, the port clients use, a spare port, and the two origins."""

    folder: Path
    port: int
    admin_port: int
    origins: tuple[int, int]


@dataclass(frozen=True)
class Launch:
    """How to start it, and the (port, path) that answers 200 once it serves."""

    argv: list[str]
    ready: tuple[int, str]


@dataclass(frozen=True)
class Contender:
    """One that can be measured.

    ``missing()`` says what it lacks here (empty: nothing). A ``floor`` moves bytes only: it neither splits nor adds headers. One that
    stands ``aside`` runs only when it is named.
    """

    name: str
    missing: Callable[[], str]
    launch: Callable[[Site], Launch]
    version: Callable[[], list[str]] = list
    floor: bool = False
    aside: bool = False


def program(name: str) -> str:
    """The path of a program, those for administrators included; empty if it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin") or ""


def needs(name: str) -> Callable[[], str]:
    """A ``missing`` for something that is one program."""
    return lambda: "" if program(name) else f"{name} is not installed"
