"""The shape of listeners and of TLS, as pydantic models; see ``schema``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from proxy import limits
from proxy.config import fields as f
from proxy.config.part import Items, Part
from proxy.config.scalars_route import shown_size


class Certificate(Part):
    """A certificate and its key, as files."""

    cert: f.Line = Field(description="A PEM file: the certificate, then those that lead to a known authority.")
    key: f.Line = Field(
        description="A PEM file: its private key, without a password. Workers read it, so their user has to be able to."
    )


class ClientCertificates(Part):
    """Certificates of clients."""

    ca: f.Line = Field(description="A PEM file: the authorities whose certificates are accepted.")
    mode: Annotated[Literal["required", "optional"], f.word("required or optional")] = Field(
        default="required", description="Whether a client without a certificate is turned away."
    )


class ListenerTls(Part):
    """How a listener speaks TLS."""

    certificates: Items[Certificate] = Field(
        description="Chosen by the host a client names (SNI); the first is for all others. Files are read again when they change.",
        min_length=1,
        max_length=limits.CERTIFICATES_PER_LISTENER_MAX,
    )
    minimum: Annotated[Literal["TLSv1.2", "TLSv1.3"], f.word("TLSv1.2 or TLSv1.3")] = Field(
        default="TLSv1.2", description="The oldest version of TLS that is spoken."
    )
    client: ClientCertificates | None = Field(
        default=None, description="Whether clients are asked for a certificate; its subject goes on in X-Forwarded-Client-Cert."
    )


class Listener(Part):
    """A place where clients connect."""

    name: f.Name = Field(description="What the listener is called in logs and metrics.")
    address: f.ListenAddress = Field(
        description="Where it listens: `host:port`, `[v6]:port` or `unix:/path`. 0.0.0.0 is every IPv4 address; port 0 any free port."
    )
    trusted_proxies: Items[f.Network] = Field(
        default=[],
        description="Networks of the proxies in front of this one whose X-Forwarded-* headers are believed. Left out: nobody's.",
        max_length=limits.TRUSTED_PROXIES_MAX,
    )
    tls: ListenerTls | None = Field(default=None, description="Speaks TLS. Left out: plain HTTP.")
    redirect_to_https: f.Truth = Field(
        default=False, description="Whether every request is answered with a redirect (308) to https:// and the same host and path."
    )
    proxy_protocol: f.Truth = Field(
        default=False,
        description="Whether every connection begins with a PROXY header (version 1 or 2), from trusted_proxies and nobody else.",
    )
    min_body_rate: f.BodyRate = Field(
        default=shown_size(limits.BODY_RATE_MIN),
        validate_default=True,
        description="How much of a request body must come each second, over ten seconds or so; slower is 408. 0 is any.",
    )
    max_connections: Annotated[int, f.whole(0, limits.CONNECTIONS_PER_LISTENER_MAX)] = Field(
        default=0, description="Client connections held at most, by all workers; more are refused. 0 is any number."
    )


class OriginTls(Part):
    """How TLS is spoken to the service's https:// endpoints."""

    ca: f.Line = Field(default="", description="A PEM file: the authorities to trust, in place of the system's.")
    cert: f.Line = Field(default="", description="A PEM file: the certificate to show to origins that ask for one.")
    key: f.Line = Field(default="", description="A PEM file: the private key of cert, without a password.")
    server_name: f.Host = Field(
        default="", description="The name to ask for and to expect in the origin's certificate. Left out: the endpoint's host."
    )
    verify: f.Truth = Field(default=True, description="Whether the origin's certificate has to be valid and for that name.")
