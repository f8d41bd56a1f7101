"""headgate as its users start it: the supervisor and one worker, a fixed split, no access log."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from loadtest.contenders.site import Contender, Launch, Site

CONFIG = """\
listeners: [{{name: web, address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
workers: 1
state: {{path: "{folder}/state.db"}}
services:
  shop:
    versions:
      a: {{endpoints: ["http://127.0.0.1:{a}"]}}
      b: {{endpoints: ["http://127.0.0.1:{b}"]}}
    traffic: {{a: 95, b: 5}}
routes: [{{match: {{path_prefix: /}}, service: shop}}]
"""


def launch(site: Site) -> Launch:
    """Write the configuration; ready when every worker serves it."""
    a, b = site.origins
    path = site.folder / "headgate.yaml"
    path.write_text(CONFIG.format(port=site.port, admin=site.admin_port, folder=site.folder, a=a, b=b))
    return Launch([sys.executable, "-m", "proxy", "run", "--config", str(path)], (site.admin_port, "/-/ready"))


def missing() -> str:
    """What is not there."""
    return "" if importlib.util.find_spec("proxy") else "headgate is not installed"


def launch_plane(site: Site) -> Launch:
    """The data plane in one process."""
    argv = [sys.executable, str(Path(__file__).with_name("plane_alone.py")), *map(str, (site.port, *site.origins))]
    return Launch(argv, (site.port, "/echo"))


HEADGATE = Contender("headgate", missing, launch, lambda: [sys.executable, "-m", "proxy", "version"])
PLANE_ALONE = Contender("plane-alone", missing, launch_plane, aside=True)
