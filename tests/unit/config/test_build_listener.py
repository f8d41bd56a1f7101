"""Listeners into the model and back: the two are inverse."""

from __future__ import annotations

from pathlib import Path

import yaml

from proxy.config import effective, load

FILE = """
listeners:
  - name: web
    address: "[::1]:8443"
    trusted_proxies: [10.0.0.0/8]
    tls: {certificates: [{cert: a.pem, key: a.key}, {cert: b.pem, key: b.key}], minimum: TLSv1.3, client: {ca: c.pem, mode: optional}}
    proxy_protocol: true
    max_connections: 7
  - {name: plain, address: "unix:/run/web.sock", redirect_to_https: true}
services: {shop: {target: v1, versions: {v1: {endpoints: [127.0.0.1:9001]}}}}
routes: [{match: {}, service: shop}]
"""


def test_what_is_shown_reads_back_to_the_same_listeners(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(FILE)
    intent = load(first, env={})
    second.write_text(yaml.safe_dump(effective(intent)))

    assert intent.listeners == load(second, env={}).listeners
    assert ("optional", "c.pem", 2) == (
        intent.listeners[0].tls.client_mode,
        intent.listeners[0].tls.client_ca,
        len(intent.listeners[0].tls.certificates),
    )
