"""An intent finds its services."""

from __future__ import annotations

from proxy.model.intent import Intent
from proxy.model.service import Endpoint, Service, Version


def test_an_intent_finds_its_services_by_name() -> None:
    shop = Service("shop", (Version("v1", (Endpoint("127.0.0.1", 9001),)),), target="v1")
    intent = Intent(digest="d", listeners=(), services=(shop,), routes=())

    assert (shop, None) == (intent.service("shop"), intent.service("cart"))
