"""headgate as its users start it: the supervisor and its workers, a fixed split, no access log unless the setting wants one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from loadtest.contenders.site import Contender, Launch, Site
from loadtest.setting import Setting

CONFIG = """\
listeners: [{{name: web, address: "127.0.0.1:{port}"{tls}}}]
admin: {{address: "127.0.0.1:{admin}"}}
workers: {workers}
state: {{path: "{folder}/state.db"}}
{log}
services:
  shop:
    versions:
      a: {{endpoints: ["http://127.0.0.1:{a}"]}}
      b: {{endpoints: ["http://127.0.0.1:{b}"]}}
{versions}
    traffic: {{a: 95, b: 5}}
{service}
routes:
{routes}
  - {{match: {{path_prefix: /}}, service: shop}}
"""


def configuration(site: Site, service: str = "") -> str:
    """The file; ``service`` are lines more of its service."""
    setting = site.setting
    a, b = site.origins
    return CONFIG.format(
        port=site.port,
        admin=site.admin_port,
        folder=site.folder,
        a=a,
        b=b,
        workers=setting.workers,
        tls=f", tls: {{certificates: [{{cert: {site.certificate}, key: {site.key}}}]}}" if setting.tls else "",
        log=f'access_log: {{path: "{site.log}"}}' if setting.log else "",
        versions=more_versions(setting, a),
        service="    sticky: {by: cookie, name: session}" if setting.sticky else service,
        routes=more_routes(setting),
    )


def more_routes(setting: Setting) -> str:
    """Routes that a request is not for: every second one of the host that is asked for, the others of 500 other hosts."""
    hosts = ("shop.example" if at % 2 else f"h{at % 500}.example" for at in range(setting.routes - 1))
    return "\n".join(f"  - {{match: {{host: {host}, path_prefix: /part-{at}/}}, service: shop}}" for at, host in enumerate(hosts))


def more_versions(setting: Setting, port: int) -> str:
    """Versions without traffic."""
    return "\n".join(f'      v{at}: {{endpoints: ["http://127.0.0.1:{port}"]}}' for at in range(setting.versions - 2))


def launch(site: Site) -> Launch:
    """Write the configuration; ready when every worker serves it."""
    return launch_file(site, configuration(site))


def launch_file(site: Site, text: str) -> Launch:
    """With that configuration."""
    path = site.folder / "headgate.yaml"
    path.write_text(text)
    return Launch([sys.executable, "-m", "proxy", "run", "--config", str(path)], (site.admin_port, "/-/ready"))


def missing() -> str:
    """What is not there."""
    return "" if importlib.util.find_spec("proxy") else "headgate is not installed"


def launch_plane(site: Site) -> Launch:
    """The data plane in one process."""
    argv = [sys.executable, str(Path(__file__).with_name("plane_alone.py")), *map(str, (site.port, *site.origins))]
    return Launch(argv, (site.port, "/echo"))


HEADGATE = Contender("headgate", missing, launch, lambda: [sys.executable, "-m", "proxy", "version"])
PLANE_ALONE = Contender("plane-alone", missing, launch_plane, aside=True, without=frozenset({"sticky", "log", "tls", "workers"}))
