"""TLS to origins: whom to trust, what to show, which name to ask for.

Compiled with the plan, files included; a handshake that fails is a failed connect. Knows nothing of connections.
"""

from __future__ import annotations

import ssl
from typing import NamedTuple

from proxy.dataplane.tls import load_ca, load_pair
from proxy.errors import HeadgateError, PlanRefused
from proxy.model.plan import ServicePlan
from proxy.model.service import OriginTls


class Secured(NamedTuple):
    """How connections of a service are made; an empty ``server_name`` is the endpoint's own host."""

    plan: OriginTls
    context: ssl.SSLContext
    server_name: str


class OriginContexts(dict[str, Secured]):
    """By service, of the plan that was compiled last; one that has not changed is not made again."""

    def of(self, service: ServicePlan) -> Secured | None:
        """What the service's endpoints need, or None when none of them speaks TLS. Raises PlanRefused."""
        if not any(endpoint.tls for version in service.versions for endpoint in version.endpoints):
            self.pop(service.name, None)
            return None
        plan = service.tls or OriginTls()
        known = self.get(service.name)
        if known is None or known.plan != plan:
            try:
                known = self[service.name] = Secured(plan, _context(plan), plan.server_name)
            except HeadgateError as error:
                raise PlanRefused(f"service {service.name}: {error}") from None
        return known


def _context(plan: OriginTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not plan.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif plan.ca:
        load_ca(context, plan.ca)
    else:
        context.load_default_certs()
    if plan.cert:
        load_pair(context, plan.cert, plan.key)
    return context
