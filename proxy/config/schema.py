"""The shape of the file, as pydantic models: which keys exist, what each means, what type it has. The JSON Schema comes from here.

Checks within one value are in ``fields``; what needs two places of the file is in ``check``. Descriptions say what a key means, for
they are shown to people in editors. Knows nothing of where values stand, and nothing of the running proxy.

An item of a list that was refused becomes None while the rest of the file is checked; the file itself cannot say None.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from proxy import limits
from proxy.config import fields as f
from proxy.config.part import Items, Part
from proxy.config.scalars import shown_duration
from proxy.config.scalars_route import shown_size
from proxy.config.schema_check import Check, Hook, HttpCheck, Notification, PrometheusCheck
from proxy.config.schema_listener import Listener, OriginTls
from proxy.config.schema_rollout import Freeze, Gate, Guard, Rollout, ShadowStep, Step
from proxy.config.schema_route import HeaderRules, Match, RateLimit, Redirect, Rewrite, Route, RouteHeaders, RouteTimeouts
from proxy.model.intent import AccessLog as AccessLogModel
from proxy.model.intent import Intent
from proxy.model.intent import Tracing as TracingModel
from proxy.model.service import REDACTED_IN_COPIES, EndpointLimits, RetryCause
from proxy.model.service import Ejection as EjectionModel
from proxy.model.service import Health as HealthModel
from proxy.model.service import Retries as RetriesModel
from proxy.model.service import Shadow as ShadowModel

__all__ = [
    "Check",
    "File",
    "Freeze",
    "Gate",
    "Guard",
    "HeaderRules",
    "Hook",
    "HttpCheck",
    "Listener",
    "Match",
    "Notification",
    "Part",
    "PrometheusCheck",
    "RateLimit",
    "Redirect",
    "Rewrite",
    "Rollout",
    "Route",
    "RouteHeaders",
    "RouteTimeouts",
    "Service",
    "Shadow",
    "ShadowStep",
    "Step",
    "json_schema",
]

_STATE_PATH = str(next(field.default for field in msgspec.structs.fields(Intent) if field.name == "state_path"))


class Admin(Part):
    """Where operators connect: the API, metrics and the dashboard."""

    address: f.ListenAddress = Field(
        default="127.0.0.1:9900",
        validate_default=True,
        description="Where it listens. An address that other machines reach requires token_file.",
    )
    token_file: f.Line = Field(default="", description="A file that holds the bearer token every caller must send.")


class State(Part):
    """Where rollout positions and history are kept."""

    path: f.Line = Field(
        default=_STATE_PATH, description="The SQLite file; its directory must outlive the process for rollouts to be resumed."
    )


class AccessLog(Part):
    """One JSON line a request."""

    path: f.Line = Field(default=AccessLogModel().path, description="The file to append to; `-` is standard output.")
    sample: f.Fraction = Field(
        default=AccessLogModel().sample,
        description="The share of good requests that is written, 0 to 1 or a percentage; failures are always written.",
    )


class Tracing(Part):
    """A span a request, for an OpenTelemetry collector. Needs the extra headgate[tracing]."""

    otlp: f.Location = Field(description="The collector's OTLP/HTTP address, like http://127.0.0.1:4318/v1/traces.")
    sample: f.Fraction = Field(
        default=TracingModel.__struct_defaults__[0],
        description="The share of requests that is recorded where the client did not decide it, 0 to 1 or a percentage.",
    )


class Resolver(Part):
    """Who is asked for the addresses of endpoints that are host names."""

    nameservers: Items[f.Nameserver] = Field(
        description="DNS servers, `address` or `address:port`, asked in this order.", min_length=1, max_length=limits.NAMESERVERS_MAX
    )


class VersionSchema(Part):
    """The database schemas that a version works with."""

    runs_on: Items[Annotated[int, f.whole(1, 10**9)]] = Field(
        description="Their numbers. Left out: any.", min_length=1, max_length=limits.SCHEMAS_PER_VERSION_MAX
    )


class Version(Part):
    """One release of a service."""

    endpoints: Items[f.EndpointAddress] = Field(
        description="Where it answers: `http://host:port`, `https://host:port` or `unix:/path`; requests are balanced among them.",
        min_length=1,
        max_length=limits.ENDPOINTS_PER_VERSION_MAX,
    )
    labels: dict[str, f.Value] = Field(
        default={},
        description="Facts for people, such as release or commit; changing them lets a rolled-back version be tried again.",
        max_length=limits.LABELS_PER_VERSION_MAX,
    )
    slow_start: f.Duration = Field(
        default="0",
        validate_default=True,
        description="How long an endpoint that has become healthy, or is new, takes to get its full share.",
    )
    schema_: VersionSchema | None = Field(default=None, alias="schema", description="The database schemas it runs on. Left out: any.")


class Sticky(Part):
    """What makes two requests the same user's, who then stays with one version."""

    by: Annotated[Literal["cookie", "header", "client_ip"], f.word("cookie, header or client_ip")] = Field(
        description="Where the user's identity is read: a cookie, a header, or the client's address."
    )
    name: f.Line = Field(default="", description="The cookie's or header's name; client_ip has none.")


class Override(Part):
    """Requests that always get one version, whatever the split; they count for no verdict."""

    match: Match = Field(description="Which requests.")
    version: f.Name = Field(description="The version they get.")


class Timeouts(Part):
    """How long an origin may take."""

    connect: f.Timeout = Field(
        default=shown_duration(limits.CONNECT_TIMEOUT_S), validate_default=True, description="To accept a connection."
    )
    response: f.Timeout = Field(
        default=shown_duration(limits.RESPONSE_TIMEOUT_S),
        validate_default=True,
        description="From the last byte of the request to the head of the answer.",
    )
    idle: f.Timeout = Field(
        default=shown_duration(limits.IDLE_TIMEOUT_S), validate_default=True, description="Between two bytes of a body."
    )
    tunnel: f.Timeout = Field(
        default=shown_duration(limits.TUNNEL_IDLE_TIMEOUT_S),
        validate_default=True,
        description="Between two bytes, either way, of a connection upgraded to another protocol, such as WebSocket.",
    )


class Health(Part):
    """How each worker asks each endpoint how it is; 2xx and 3xx are healthy."""

    path: f.Path = Field(description="What is asked for, by GET.")
    interval: f.Timeout = Field(
        default=shown_duration(HealthModel("").interval_s), validate_default=True, description="Between checks."
    )
    timeout: f.Timeout = Field(
        default=shown_duration(HealthModel("").timeout_s), validate_default=True, description="For the head of the answer to arrive."
    )
    unhealthy_after: Annotated[int, f.whole(1, 100)] = Field(
        default=HealthModel("").unhealthy_after, description="Failed checks in a row that take an endpoint out."
    )
    healthy_after: Annotated[int, f.whole(1, 100)] = Field(
        default=HealthModel("").healthy_after, description="Good checks in a row that bring it back."
    )


class Ejection(Part):
    """When requests' failures take an endpoint out for a while: after some in a row, or as an outlier among at least five."""

    failures: Annotated[int, f.whole(1, 1000)] = Field(default=EjectionModel().failures, description="Failures in a row.")
    time: f.Timeout = Field(
        default=shown_duration(EjectionModel().time_s),
        validate_default=True,
        description="How long the first time; twice as long each next time.",
    )
    max_time: f.Timeout = Field(
        default=shown_duration(EjectionModel().max_time_s), validate_default=True, description="How long at most."
    )
    max_share: f.Fraction = Field(
        default=EjectionModel().max_share, description="The share of a version's endpoints that may be out so, 0 to 1 or a percentage."
    )


class Limits(Part):
    """What one endpoint is given at most at a time, by all workers; a request that finds no room waits in a queue, or gets a 503."""

    max_connections: Annotated[int, f.whole(0, 1_000_000)] = Field(
        default=0, description="Connections, idle ones included; 0: any number."
    )
    max_requests: Annotated[int, f.whole(0, 1_000_000)] = Field(default=0, description="Requests under way; 0: any number.")
    queue: Annotated[int, f.whole(0, limits.QUEUE_MAX)] = Field(
        default=0, description="How many requests of a version may wait for room, over all workers; more fail at once."
    )
    queue_timeout: f.Timeout = Field(
        default=shown_duration(EndpointLimits().queue_timeout_s), validate_default=True, description="How long a request waits at most."
    )


class Retries(Part):
    """When a request is sent again: an idempotent one (GET, HEAD, OPTIONS, PUT, DELETE), before any byte of an answer was passed on."""

    attempts: Annotated[int, f.whole(1, limits.RETRY_ATTEMPTS_MAX)] = Field(
        default=RetriesModel().attempts, description="How often a request is sent again at most, at another endpoint if there is one."
    )
    on: Items[Annotated[RetryCause, f.word("a cause of retries")]] = Field(
        default=list(RetriesModel().on),
        description="After which failures: " + ", ".join(get_args(RetryCause)) + "; reset is a connection that ended unanswered.",
        min_length=1,
    )


class Shadow(Part):
    """Copies of safe requests (GET, HEAD, OPTIONS) to a version whose answers nobody gets; they are compared instead."""

    version: f.Name = Field(
        default="", description="Who gets the copies all the time. Left out: the candidate, in a rollout's shadow steps."
    )
    percent: f.CopiedPercent = Field(
        default="100", validate_default=True, description="The share of the safe requests that is copied to version, in percent."
    )
    timeout: f.Timeout = Field(
        default=shown_duration(ShadowModel().timeout_s), validate_default=True, description="How long a copy's answer may take."
    )
    max_in_flight: Annotated[int, f.whole(1, 10_000)] = Field(
        default=ShadowModel().max_in_flight, description="Copies under way at a time in a worker; more are dropped and counted."
    )
    max_bytes: f.Size = Field(
        default=shown_size(ShadowModel().max_bytes), validate_default=True, description="How much of an answer is kept to be compared."
    )
    compare: f.Truth = Field(default=ShadowModel().compare, description="Whether answers are compared with the original's.")
    ignore: Items[f.DifferencePath] = Field(
        default=[],
        description="What is not compared, like $.generated_at or header:etag.",
        min_length=1,
        max_length=limits.SHADOW_RULES_MAX,
    )
    allow: Items[f.DifferencePath] = Field(
        default=[],
        description="Differences that are meant: counted, and held against nobody.",
        min_length=1,
        max_length=limits.SHADOW_RULES_MAX,
    )
    noise: f.Name = Field(default="", description="A version that gets the same copies and tells what differs by itself.")
    redact: Items[f.HeaderName] = Field(
        default=list(REDACTED_IN_COPIES), description="Request headers that copies do not carry.", max_length=limits.RULES_MAX
    )


class Service(Part):
    """What requests are for; it has one version or several. Either traffic or target is given, never both."""

    versions: dict[str, Version] = Field(
        description="The releases of the service, by name.", min_length=1, max_length=limits.VERSIONS_PER_SERVICE_MAX
    )
    traffic: dict[str, f.Weight] = Field(
        default={}, description="A fixed split: relative weights by version. Nothing is judged; excludes target.", min_length=1
    )
    target: f.Name = Field(
        default="", description="The version wanted live: a rollout takes the traffic there step by step. Excludes traffic."
    )
    sticky: Sticky | None = Field(default=None, description="Keeps a user on one version. Left out: each request is drawn alone.")
    overrides: Items[Override] = Field(
        default=[],
        description="Requests that always get one version, such as testers'; the first that matches decides.",
        max_length=limits.OVERRIDES_PER_SERVICE_MAX,
    )
    timeouts: Timeouts = Field(default_factory=Timeouts, description="How long the origins may take.")
    balance: Annotated[Literal["least_requests", "round_robin"], f.word("least_requests or round_robin")] = Field(
        default="least_requests", description="How a version's requests are spread over its endpoints."
    )
    expose_version: f.Truth = Field(default=False, description="Whether answers carry X-Headgate-Version.")
    retries: Retries | None = Field(
        default=None, description="Sends requests again where that is safe. Left out: only to replace a dead idle connection."
    )
    health: Health | None = Field(default=None, description="Checks of the endpoints' health. Left out: none.")
    ejection: Ejection | None = Field(default=None, description="Takes out endpoints where requests fail. Left out: none is.")
    limits: Limits | None = Field(default=None, description="Bounds of what an endpoint gets. Left out: none.")
    tls: OriginTls | None = Field(default=None, description="TLS to https:// endpoints. Left out: the system's authorities.")
    fallback: f.Truth = Field(
        default=False,
        description="Whether stable answers a GET, HEAD or OPTIONS that fails on the candidate; it stays the candidate's failure.",
    )
    schema_: Annotated[int, f.whole(1, 10**9)] = Field(
        default=0,
        alias="schema",
        description="The number of its database's present schema: no version that does not run on it is made live. Left out: not said.",
    )
    shadow: Shadow | None = Field(default=None, description="Copies of requests, whose answers are compared. Left out: none.")
    rollout: Rollout = Field(default_factory=Rollout, description="How the service moves to a new target.")


class File(Part):
    """The configuration of a headgate: where it listens, the services behind it, and which requests go where."""

    listeners: Items[Listener] = Field(description="Where clients connect.", min_length=1)
    admin: Admin = Field(default_factory=Admin, description="Where operators connect.")
    workers: f.Workers = Field(default=1, description="How many processes carry the traffic; `auto` is one a core.")
    state: State = Field(default_factory=State, description="Where rollout positions and history are kept.")
    access_log: AccessLog | None = Field(default=None, description="A log line a request. Left out: none.")
    tracing: Tracing | None = Field(default=None, description="Traces of requests. Left out: none; clients' trace context passes.")
    resolver: Resolver | None = Field(default=None, description="Who looks host names up. Left out: what the system is set to.")
    drain_timeout: f.DrainTime = Field(
        default=shown_duration(limits.DRAIN_TIMEOUT_S),
        validate_default=True,
        description="How long requests in flight may take to finish when the proxy is told to stop.",
    )
    services: dict[str, Service] = Field(description="The services, by name.", min_length=1, max_length=limits.SERVICES_MAX)
    notifications: Items[Notification] = Field(default=[], description="Whom decisions are told.", max_length=limits.NOTIFICATIONS_MAX)
    routes: Items[Route] = Field(description="Which requests go to which service.", min_length=1, max_length=limits.ROUTES_MAX)


class _Described(GenerateJsonSchema):
    """Leaves out what only this program says (None, for a key that was left out or a value that was refused)."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        return {"anyOf": [{"const": "manual"}, made]} if schema["cls"] is Gate else made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        absent = schema.get("default", "") in (None, "")
        return self.generate_inner(schema["schema"]) if absent else super().default_schema(schema)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one configuration file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "headgate configuration",
        **{key: value for key, value in File.model_json_schema(schema_generator=_Described).items() if key != "title"},
    }
