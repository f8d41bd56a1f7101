"""The shape of listeners: what an editor is told of it."""

from __future__ import annotations

from proxy.config.schema import json_schema


def test_the_json_schema_knows_a_listeners_tls_to_the_last_key() -> None:
    parts = json_schema()["$defs"]

    assert ["certificates", "minimum", "client"] == list(parts["ListenerTls"]["properties"])
    assert ["cert", "key"] == parts["Certificate"]["required"]
    assert ["required", "optional"] == parts["ClientCertificates"]["properties"]["mode"]["enum"]
