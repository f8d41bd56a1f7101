"""Floors: two byte relays that read nothing. No proxy in C, or in Python on uvloop, can cost less than its relay."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from loadtest.contenders.site import FLOOR_WITHOUT, Contender, Launch, Site, needs, program
from loadtest.faults import RigError

HERE = Path(__file__).parent


def launch_c(site: Site) -> Launch:
    """Compile relay.c, and relay to the first origin."""
    built = site.folder / "relay"
    try:
        subprocess.run(
            [program("gcc"), "-O2", "-o", str(built), str(HERE / "relay.c")],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except subprocess.CalledProcessError as error:
        raise RigError(f"relay.c did not compile:\n{error.stderr}") from error
    return Launch([str(built), str(site.port), str(site.origins[0])], (site.port, "/echo"))


def launch_uvloop(site: Site) -> Launch:
    """Relay to the first origin."""
    return Launch([sys.executable, str(HERE / "uvloop_relay.py"), str(site.port), str(site.origins[0])], (site.port, "/echo"))


def missing_uvloop() -> str:
    """What is not there."""
    return "" if importlib.util.find_spec("uvloop") else "uvloop is not installed"


C_RELAY = Contender("c-relay", needs("gcc"), launch_c, lambda: [program("gcc"), "--version"], floor=True, without=FLOOR_WITHOUT)
UVLOOP_RELAY = Contender("uvloop-relay", missing_uvloop, launch_uvloop, floor=True, without=FLOOR_WITHOUT)
