"""Services, their versions and endpoints: what traffic is split between. Frozen nouns; knows nothing of YAML or sockets."""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy import limits
from proxy.model.rollout import RolloutPlan
from proxy.model.route import Match


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address of an origin: ``host``/``port``, or ``unix`` (a socket path) with both of those empty. ``tls``: it speaks https."""

    host: str = ""
    port: int = 0
    unix: str = ""
    tls: bool = False

    @property
    def name(self) -> str:
        """Its address: ``host:port``, ``[v6]:port`` or ``unix:/path``."""
        if self.unix:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def label(self) -> str:
        """What tells it from the others of its version, in metrics and fingerprints: its address, with ``https://`` before TLS."""
        return f"https://{self.name}" if self.tls else self.name


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release of a service. ``labels`` are for people and for telling whether a rolled-back target has changed.

    An endpoint that becomes healthy gets its full share only after ``slow_start_s``. ``runs_on`` are the database schemas it works
    with; empty: any.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    labels: tuple[tuple[str, str], ...] = ()
    slow_start_s: float = 0.0
    runs_on: tuple[int, ...] = ()


class Sticky(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes two requests the same user's. ``name`` is the cookie or header (lower case); empty for ``client_ip``."""

    by: Literal["cookie", "header", "client_ip"]
    name: str = ""


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that match always get ``version``; they are not draws and no judge counts them."""

    match: Match
    version: str


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds. ``response_s`` runs from the request's last byte to the answer's head; ``idle_s`` between bytes of a body.

    ``tunnel_s`` is between bytes, either way, of a connection that was upgraded to another protocol.
    """

    connect_s: float = limits.CONNECT_TIMEOUT_S
    response_s: float = limits.RESPONSE_TIMEOUT_S
    idle_s: float = limits.IDLE_TIMEOUT_S
    tunnel_s: float = limits.TUNNEL_IDLE_TIMEOUT_S


class OriginTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS to endpoints that speak it. Paths of PEM files: ``ca`` in place of the system's authorities, ``cert`` and ``key`` to show.

    ``server_name`` is asked for and expected in place of the endpoint's host.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""
    server_name: str = ""
    verify: bool = True


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How each worker asks an endpoint how it is. ``*_after`` are answers in a row that make it change sides."""

    path: str
    interval_s: float = 2.0
    timeout_s: float = 1.0
    unhealthy_after: int = 2
    healthy_after: int = 2


class Ejection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When requests' failures take an endpoint out: after ``failures`` in a row, or as an outlier; at most ``max_share`` of them.

    It stays out for ``time_s`` the first time and twice as long each next time, ``max_time_s`` at most.
    """

    failures: int = 5
    time_s: float = 30.0
    max_time_s: float = 300.0
    max_share: float = 0.5


class EndpointLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all workers together give one endpoint at most (0: any number); ``queue`` requests of a version wait for a place."""

    max_connections: int = 0
    max_requests: int = 0
    queue: int = 0
    queue_timeout_s: float = 1.0


RetryCause = Literal["connect", "reset", "timeout", "status_503"]


class Retries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often an idempotent request is sent again (``attempts`` beyond the first), and after which failures of the one before."""

    attempts: int = 1
    on: tuple[RetryCause, ...] = ("connect", "reset")


REDACTED_IN_COPIES: tuple[str, ...] = ("authorization", "cookie", "proxy-authorization")
"""Request headers that no copy carries unless the operator says otherwise."""


class Shadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Copies of ``percent_bp`` (1/100 of a percent) of the safe requests go to ``version``, whose answers nobody gets.

    A rollout's shadow step sends them to the candidate. ``compare``: answers are held against the original's, without the JSON paths in
    ``ignore``; ``allow`` are differences that are meant. ``noise`` (a version, empty: none) gets the same copies and tells what differs
    by itself. ``redact`` are headers (lower case) that copies do not carry.
    """

    version: str = ""
    percent_bp: int = 10_000
    timeout_s: float = 5.0
    max_in_flight: int = 64
    max_bytes: int = 1 << 20
    compare: bool = True
    ignore: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    noise: str = ""
    redact: tuple[str, ...] = REDACTED_IN_COPIES


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service as intended. Exactly one of ``traffic`` (relative weights by version name) and ``target`` (a version name) is set.

    ``schema`` is the number of its database's present schema (0: not said); no version that does not run on it is made live.
    """

    name: str
    versions: tuple[Version, ...]
    traffic: tuple[tuple[str, float], ...] = ()
    target: str = ""
    sticky: Sticky | None = None
    overrides: tuple[Override, ...] = ()
    timeouts: Timeouts = Timeouts()
    balance: Literal["least_requests", "round_robin"] = "least_requests"
    expose_version: bool = False
    retries: Retries | None = None
    fallback: bool = False
    health: Health | None = None
    ejection: Ejection | None = None
    limits: EndpointLimits | None = None
    tls: OriginTls | None = None
    rollout: RolloutPlan = RolloutPlan()
    schema: int = 0
    shadow: Shadow | None = None

    def version(self, name: str) -> Version | None:
        """The version of that name, or None."""
        return next((v for v in self.versions if v.name == name), None)
