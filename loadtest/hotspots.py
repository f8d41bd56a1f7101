"""Where a request's time goes: the data plane alone under cProfile, by function. For direction only: profiling doubles the cost."""

from __future__ import annotations

import pstats
import sys
import tempfile
from pathlib import Path

from loadtest.compare import Rig
from loadtest.contenders import headgate
from loadtest.contenders.site import Contender, Launch, Site
from loadtest.faults import RigError
from loadtest.scenarios import Scenario

LEAST_US = 0.3  # below it a line is noise
LEAST_CALLS = 0.01  # a request; rarer is start-up


def table(scenario: Scenario, seconds: int, pin: bool) -> str:
    """Own microseconds a request, calls a request, and the place, dearest first."""
    with tempfile.TemporaryDirectory(prefix="headgate-profile-") as folder:
        written = Path(folder) / "profile"

        def launch(site: Site) -> Launch:
            plain = headgate.launch_plane(site)
            return Launch([sys.executable, "-m", "cProfile", "-o", str(written), *plain.argv[1:]], plain.ready)

        profiled = Contender("profiled", headgate.missing, launch)
        with Rig([profiled], pin, print) as rig:
            requests = rig.load(profiled, scenario, seconds).requests
        if not written.exists():
            raise RigError("the profiled process ended without writing its profile")
        return rows(pstats.Stats(str(written)), requests)


def rows(stats: pstats.Stats, requests: int) -> str:
    """The functions of a profile that matter, as lines of text."""
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = stats.stats  # type: ignore[attr-defined]  # in no stub
    lines = ["us/request  calls/request  where"]
    for (file, line, name), (_, calls, own_s, _, _) in sorted(entries.items(), key=lambda item: -item[1][2]):
        own_us = own_s * 1e6 / requests
        if own_us >= LEAST_US and calls / requests >= LEAST_CALLS:
            lines.append(f"{own_us:10.2f} {calls / requests:14.2f}  {Path(file).name}:{line} {name}")
    return "\n".join(lines)
