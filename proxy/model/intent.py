"""Everything the operator's file says, checked and frozen: the intent that git owns. The controller's position is elsewhere."""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy import limits
from proxy.model.route import Route
from proxy.model.service import Service


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Paths of a PEM chain, leaf first, and of its key."""

    cert: str
    key: str


class ListenerTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first certificate is for clients that name no host, or one that none covers. ``client_mode`` empty: none is asked for."""

    certificates: tuple[Certificate, ...]
    minimum: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    client_ca: str = ""
    client_mode: Literal["", "required", "optional"] = ""


class Listener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where clients connect: ``host``/``port`` or ``unix``. ``trusted_proxies`` are CIDR texts: peers there are believed.

    With ``proxy_protocol`` those peers, and no others, connect, and begin with a PROXY header. ``max_connections`` is all workers';
    0 is any number.
    ``min_body_rate`` is the fewest bytes a second that a request body may bring; 0 is any.
    """

    name: str
    host: str = ""
    port: int = 0
    unix: str = ""
    trusted_proxies: tuple[str, ...] = ()
    tls: ListenerTls | None = None
    redirect_to_https: bool = False
    proxy_protocol: bool = False
    max_connections: int = 0
    min_body_rate: int = limits.BODY_RATE_MIN


class Admin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where operators connect. ``token_file`` is a path; empty means no token, allowed on loopback and unix sockets only."""

    host: str = "127.0.0.1"
    port: int = 9900
    unix: str = ""
    token_file: str = ""


class AccessLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """JSON lines to ``path`` (``-`` is standard output). ``sample`` in 0..1 of the good requests; failures are always written."""

    path: str = "-"
    sample: float = 1.0


class Tracing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spans go to the OTLP/HTTP collector at the URL ``otlp``; ``sample`` in 0..1 of the requests whose clients did not decide it."""

    otlp: str
    sample: float = 0.01


class Notification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom decisions are told: ``url`` gets a POST for each kind of record in ``on`` (empty: every one).

    ``webhook`` is the record as JSON, signed with the secret in ``secret_file`` (empty: unsigned); ``slack`` is what Slack and its like
    take.
    """

    name: str
    url: str
    form: Literal["webhook", "slack"] = "webhook"
    secret_file: str = ""
    on: tuple[str, ...] = ()
    timeout_s: float = 10.0


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One whole configuration. ``digest`` is the SHA-256 (hex) of the text it was read from, after merging a directory.

    ``nameservers`` as in RoutePlan.
    """

    digest: str
    listeners: tuple[Listener, ...]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    admin: Admin = Admin()
    workers: int = 1
    state_path: str = "state/headgate.db"
    access_log: AccessLog | None = None
    tracing: Tracing | None = None
    nameservers: tuple[str, ...] = ()
    notifications: tuple[Notification, ...] = ()
    drain_timeout_s: float = limits.DRAIN_TIMEOUT_S

    def service(self, name: str) -> Service | None:
        """The service of that name, or None."""
        return next((s for s in self.services if s.name == name), None)
