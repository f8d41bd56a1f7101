"""Traefik: one core, a weighted service over the two versions. The binary is the one that the ``bench`` extra installs."""

from __future__ import annotations

import json
from typing import Any

from loadtest.contenders.site import GO_ENV, Contender, Launch, Site, needs, program


def launch(site: Site) -> Launch:
    """Write both of its configurations; ready when the origin answers through it."""
    static, dynamic = site.folder / "traefik.yml", site.folder / "dynamic.yml"
    static.write_text(json.dumps(static_part(site, str(dynamic))))  # JSON is YAML
    dynamic.write_text(json.dumps(dynamic_part(site)))
    return Launch([program("traefik"), f"--configFile={static}"], (site.port, "/echo"), GO_ENV)


def static_part(site: Site, dynamic: str) -> dict[str, Any]:
    """Listeners, logs and metrics."""
    found: dict[str, Any] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
        "entryPoints": {"web": {"address": f"127.0.0.1:{site.port}"}},
        "providers": {"file": {"filename": dynamic, "watch": False}},
        "serversTransport": {"maxIdleConnsPerHost": 256},
    }
    if site.setting.log:
        found["accessLog"] = {"filePath": str(site.log), "format": "json"}
    if site.setting.sticky:
        found["entryPoints"]["metrics"] = {"address": f"127.0.0.1:{site.admin_port}"}
        found["metrics"] = {"prometheus": {"entryPoint": "metrics", "addServicesLabels": True}}
    return found


def dynamic_part(site: Site) -> dict[str, Any]:
    """The route, the split, and what it does not add by itself. It has no request id without a plugin."""
    weighted: dict[str, Any] = {"services": [{"name": "a", "weight": 95}, {"name": "b", "weight": 5}]}
    if site.setting.sticky:
        weighted["sticky"] = {"cookie": {"name": "version"}}
    services = {
        name: {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
        for name, port in zip("ab", site.origins, strict=True)
    }
    router = {"rule": "PathPrefix(`/`)", "entryPoints": ["web"], "service": "split", "middlewares": ["via"]}
    http: dict[str, Any] = {
        "routers": {"web": router},
        "services": {"split": {"weighted": weighted}, **services},
        "middlewares": {"via": {"headers": {"customRequestHeaders": {"Via": "1.1 traefik"}}}},
    }
    if not site.setting.tls:
        return {"http": http}
    router["tls"] = {}  # type: ignore[assignment]  # an empty table switches it on
    files = {"certFile": str(site.certificate), "keyFile": str(site.key)}
    return {"http": http, "tls": {"stores": {"default": {"defaultCertificate": files}}}}


TRAEFIK = Contender(
    "traefik",
    needs("traefik", " (`make bench` fetches it)"),
    launch,
    lambda: [program("traefik"), "version"],
    without=frozenset({"workers"}),
    unsaid=frozenset({"request-id"}),
)
