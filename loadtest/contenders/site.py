"""What a contender is given, and what it must say of itself. Knows none of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.setting import PLAIN, Setting

GO_ENV = {"GOMAXPROCS": "1"}  # one core, as the others have one worker


@dataclass(frozen=True)
class Site:
    """Where one contender runs: its own folder, the port clients use, a spare port, and the two origins.

    ``certificate`` and ``key`` are there when the setting wants TLS.
    """

    folder: Path
    port: int
    admin_port: int
    origins: tuple[int, int]
    setting: Setting = PLAIN
    certificate: Path = Path()
    key: Path = Path()

    @property
    def log(self) -> Path:
        """The access log, where the setting wants one."""
        return self.folder / "access.log"


@dataclass(frozen=True)
class Launch:
    """How to start it, and the (port, path) that answers 200 once it serves; ``env`` is added to ours."""

    argv: list[str]
    ready: tuple[int, str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """One that can be measured.

    ``missing()`` says what it lacks here (empty: nothing). A ``floor`` moves bytes only: it neither splits nor adds headers. One that
    stands ``aside`` runs only when it is named. ``without``: features of a setting that it does not have, so it is not in those
    scenarios. ``unsaid``: headers that it cannot add without a plugin.
    """

    name: str
    missing: Callable[[], str]
    launch: Callable[[Site], Launch]
    version: Callable[[], list[str]] = list
    floor: bool = False
    aside: bool = False
    without: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()


FLOOR_WITHOUT = frozenset({"sticky", "log", "tls", "workers", "clients"})
"""What a byte relay has none of; and an idle client of one has an idle connection to the origin too, which is no floor."""


def varied(base: Contender, name: str, **changes: Any) -> Contender:
    """The same contender with another setting, under a name of its own."""

    def launch(site: Site) -> Launch:
        return base.launch(replace(site, setting=replace(site.setting, **changes)))

    return replace(base, name=name, launch=launch)


def program(name: str) -> str:
    """The path of a program: beside our interpreter, on PATH, or among those for administrators; empty if it is not installed."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    return shutil.which(name, path=path) or ""


def needs(name: str, how: str = "") -> Callable[[], str]:
    """A ``missing`` for something that is one program."""
    return lambda: "" if program(name) else f"{name} is not installed{how}"
