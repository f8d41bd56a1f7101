"""TLS to origins: whom to trust, what to show, which name to ask for.

Compiled with the plan, files included, and again when the files change; a handshake that fails is a failed connect. Knows nothing of
connections.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from proxy.dataplane.tls import Seen, TlsBroken, load_ca, load_pair, look_at
from proxy.errors import HeadgateError, PlanRefused
from proxy.model.plan import ServicePlan
from proxy.model.service import OriginTls
from proxy.routing.table import Table

if TYPE_CHECKING:
    from proxy.dataplane.legs import Leg


class Secured:
    """How connections of a service are made; an empty ``server_name`` is the endpoint's own host.

    ``error`` is what the last look at changed files found wrong, or empty.
    """

    __slots__ = ("_seen", "context", "error", "plan", "server_name")

    def __init__(self, plan: OriginTls) -> None:
        """Raises TlsBroken."""
        self.plan = plan
        self.server_name = plan.server_name
        self.error = ""
        self._seen = self._look()
        self.context = _context(plan)

    def renewed(self) -> Secured | None:
        """The same with what its files hold now; None when they have not changed, or cannot be used, and then ``error`` says why."""
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            return Secured(self.plan)
        except TlsBroken as error:
            self.error = str(error)
            return None

    def _look(self) -> Seen:
        return look_at(self.plan.ca, self.plan.cert, self.plan.key)


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
                known = self[service.name] = Secured(plan)
            except HeadgateError as error:
                raise PlanRefused(f"service {service.name}: {error}") from None
        return known

    def refresh(self, table: Table[Leg, Any]) -> None:
        """Take changed files for later connections of the services that are served; requests under way keep what they have."""
        for service, split in table.splits.items():
            secured = split.legs[0].secured
            if secured is None or (new := secured.renewed()) is None:
                continue
            for leg in split.legs:
                leg.secure(new)
            if self.get(service) is secured:
                self[service] = new


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
