"""Caddy: one core, weighted round robin, no admin endpoint. The binary is the one that the ``bench`` extra installs."""

from __future__ import annotations

import json
from typing import Any

from loadtest.contenders.site import GO_ENV, Contender, Launch, Site, needs, program

SPLIT = {"policy": "weighted_round_robin", "weights": [95, 5]}


def launch(site: Site) -> Launch:
    """Write the configuration; ready when the origin answers through it."""
    path = site.folder / "caddy.json"
    path.write_text(json.dumps(configuration(site)))
    env = {**GO_ENV, "XDG_DATA_HOME": str(site.folder), "XDG_CONFIG_HOME": str(site.folder)}
    return Launch([program("caddy"), "run", "--config", str(path)], (site.port, "/echo"), env)


def configuration(site: Site) -> dict[str, Any]:
    """In Caddy's own JSON; a Caddyfile is translated to it."""
    sticky = site.setting.sticky
    server: dict[str, Any] = {
        "listen": [f"127.0.0.1:{site.port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [proxy(site)]}],
    }
    apps: dict[str, Any] = {"http": {"servers": {"web": server}}}
    logs: dict[str, Any] = {"default": {"level": "ERROR", "exclude": ["http.log.access"]}}
    if sticky:
        apps["http"]["metrics"] = {}
    if site.setting.log:
        server["logs"] = {}
        logs["access"] = {
            "writer": {"output": "file", "filename": str(site.log), "roll": False},
            "include": ["http.log.access"],
        }
    if site.setting.tls:
        server["tls_connection_policies"] = [{"default_sni": "shop.example", "fallback_sni": "shop.example"}]
        files = {"certificate": str(site.certificate), "key": str(site.key)}
        apps["tls"] = {"certificates": {"load_files": [files]}}
    return {"admin": {"disabled": not sticky, "listen": f"127.0.0.1:{site.admin_port}"}, "logging": {"logs": logs}, "apps": apps}


def proxy(site: Site) -> dict[str, Any]:
    """The handler: it adds X-Forwarded-For, -Proto and -Host and Via by itself."""
    policy: dict[str, Any] = {"policy": "cookie", "name": "version", "fallback": SPLIT} if site.setting.sticky else SPLIT
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"} for port in site.origins],
        "load_balancing": {"selection_policy": policy},
        "headers": {"request": {"set": {"X-Request-Id": ["{http.request.uuid}"]}}},
        "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "300s", "max_idle_conns_per_host": 256}, "compression": False},
    }


CADDY = Contender(
    "caddy", needs("caddy", " (`make bench` fetches it)"), launch, lambda: [program("caddy"), "version"], without=frozenset({"workers"})
)
