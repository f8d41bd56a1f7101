"""Which configuration is meant when several could be. Looks at names only; reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.errors import OperatorError

VARIABLE: Final = "HEADGATE_CONFIG"
PLACES: Final = ("headgate.yaml", "config/headgate.yaml", "/etc/headgate/headgate.yaml")
"""Looked at in this order; relative ones from the working directory."""


def discover(explicit: str | None, *, env: Mapping[str, str], cwd: Path) -> tuple[Path, str]:
    """The configuration's path, and the rule that chose it, in words for the log. Raises OperatorError when there is none.

    A path that was named (``explicit``, ``--config``, or the environment) is never passed over for another when it does not exist.
    """
    for named, rule in ((explicit, "--config"), (env.get(VARIABLE), f"${VARIABLE}")):
        if named:
            if not (cwd / named).exists():
                raise OperatorError(f"{named}: no such file or directory; it is named by {rule}")
            return _from(cwd, named), rule
    for place in PLACES:
        if (cwd / place).exists():
            return _from(cwd, place), f"found at {place if place.startswith('/') else './' + place}"
    looked = ", ".join(place if place.startswith("/") else f"./{place}" for place in PLACES)
    raise OperatorError(f"no configuration found; name one with --config or ${VARIABLE}, or put one at {looked}")


def _from(cwd: Path, name: str) -> Path:
    """``name`` as people wrote it when it is relative to where they are, for it stands in front of every mistake."""
    return Path(name) if cwd == Path.cwd() else cwd / name
