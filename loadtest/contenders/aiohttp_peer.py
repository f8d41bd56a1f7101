"""The proxy one would write with aiohttp; see aiohttp_proxy.py. Always there, for headgate itself needs aiohttp."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from loadtest.contenders.site import Contender, Launch, Site

PROGRAM = Path(__file__).with_name("aiohttp_proxy.py")


def launch(site: Site) -> Launch:
    """Ready when the origin answers through it."""
    tls = site.setting.tls
    settings = {
        "port": site.port,
        "admin_port": site.admin_port,
        "origins": site.origins,
        "sticky": site.setting.sticky,
        "log": str(site.log) if site.setting.log else "",
        "certificate": str(site.certificate) if tls else "",
        "key": str(site.key) if tls else "",
    }
    return Launch([sys.executable, str(PROGRAM), json.dumps(settings)], (site.port, "/echo"))


AIOHTTP = Contender(
    "aiohttp",
    lambda: "",
    launch,
    lambda: [sys.executable, "-c", "import aiohttp; print('aiohttp', aiohttp.__version__)"],
    without=frozenset({"workers"}),
)
