"""Services, their versions and endpoints: what traffic is split between. Frozen nouns; knows nothing of YAML or sockets."""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy import limits
from proxy.model.rollout import RolloutPlan
from proxy.model.route import Match


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address of an origin: ``host``/``port``, or ``unix`` (a socket path) with both of those empty."""

    host: str = ""
    port: int = 0
    unix: str = ""

    @property
    def name(self) -> str:
        """The label in metrics and errors: ``host:port``, ``[v6]:port`` or ``unix:/path``."""
        if self.unix:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release of a service. ``labels`` are for people and for telling whether a rolled-back target has changed."""

    name: str
    endpoints: tuple[Endpoint, ...]
    labels: tuple[tuple[str, str], ...] = ()


class Sticky(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes two requests the same user's. ``name`` is the cookie or header (lower case); empty for ``client_ip``."""

    by: Literal["cookie", "header", "client_ip"]
    name: str = ""


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that match always get ``version``; they are not draws and no judge counts them."""

    match: Match
    version: str


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds. ``response_s`` runs from the request's last byte to the answer's head; ``idle_s`` between bytes of a body."""

    connect_s: float = limits.CONNECT_TIMEOUT_S
    response_s: float = limits.RESPONSE_TIMEOUT_S
    idle_s: float = limits.IDLE_TIMEOUT_S


RetryCause = Literal["connect", "reset", "timeout", "status_503"]


class Retries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often an idempotent request is sent again (``attempts`` beyond the first), and after which failures of the one before."""

    attempts: int = 1
    on: tuple[RetryCause, ...] = ("connect", "reset")


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service as intended. Exactly one of ``traffic`` (relative weights by version name) and ``target`` (a version name) is set."""

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
    rollout: RolloutPlan = RolloutPlan()

    def version(self, name: str) -> Version | None:
        """The version of that name, or None."""
        return next((v for v in self.versions if v.name == name), None)
