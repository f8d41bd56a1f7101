"""Who answers: each proxy doing the same work, and byte relays as floors. A new contender is one file and one entry here."""

from __future__ import annotations

from loadtest.contenders import aiohttp_peer, caddy, envoy, haproxy, headgate, nginx, relays, traefik
from loadtest.contenders.site import Contender

CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        headgate.HEADGATE,
        headgate.PLANE_ALONE,
        nginx.NGINX_PROXY,
        haproxy.HAPROXY,
        envoy.ENVOY,
        caddy.CADDY,
        traefik.TRAEFIK,
        aiohttp_peer.AIOHTTP,
        relays.C_RELAY,
        relays.UVLOOP_RELAY,
    )
}
