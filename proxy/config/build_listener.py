"""Listeners and their TLS: the checked file into the frozen model, and back; see ``build``."""

from __future__ import annotations

from typing import Any

from proxy.config import schema_listener as schema
from proxy.config.scalars import Address
from proxy.config.scalars_route import shown_size
from proxy.model.intent import Certificate, Listener, ListenerTls
from proxy.model.service import OriginTls


def listener(given: schema.Listener) -> Listener:
    """A listener that has passed every check."""
    return Listener(
        name=given.name,
        host=given.address.host,
        port=given.address.port,
        unix=given.address.unix,
        trusted_proxies=tuple(network for network in given.trusted_proxies if network is not None),
        tls=None if given.tls is None else _tls(given.tls),
        redirect_to_https=given.redirect_to_https,
        proxy_protocol=given.proxy_protocol,
        max_connections=given.max_connections,
        min_body_rate=given.min_body_rate,
    )


def _tls(given: schema.ListenerTls) -> ListenerTls:
    client = given.client
    return ListenerTls(
        certificates=tuple(Certificate(pair.cert, pair.key) for pair in given.certificates if pair is not None),
        minimum=given.minimum,
        client_ca="" if client is None else client.ca,
        client_mode="" if client is None else client.mode,
    )


def shown_listener(listener: Listener) -> dict[str, Any]:
    """The same in the form of the file."""
    return {
        "name": listener.name,
        "address": str(Address(listener.host, listener.port, listener.unix)),
        "trusted_proxies": list(listener.trusted_proxies),
        **({} if listener.tls is None else {"tls": _shown_tls(listener.tls)}),
        "redirect_to_https": listener.redirect_to_https,
        "proxy_protocol": listener.proxy_protocol,
        "max_connections": listener.max_connections,
        "min_body_rate": shown_size(listener.min_body_rate),
    }


def _shown_tls(tls: ListenerTls) -> dict[str, Any]:
    return {
        "certificates": [{"cert": pair.cert, "key": pair.key} for pair in tls.certificates],
        "minimum": tls.minimum,
        **({"client": {"ca": tls.client_ca, "mode": tls.client_mode}} if tls.client_mode else {}),
    }


def origin_tls(given: schema.OriginTls) -> OriginTls:
    """TLS to origins that has passed every check."""
    return OriginTls(given.ca, given.cert, given.key, given.server_name, given.verify)


def shown_origin_tls(tls: OriginTls) -> dict[str, Any]:
    """The same in the form of the file."""
    texts = {name: text for name in ("ca", "cert", "key", "server_name") if (text := getattr(tls, name))}
    return {**texts, "verify": tls.verify}
