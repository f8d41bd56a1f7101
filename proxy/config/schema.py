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
from proxy.config.schema_listener import Listener, OriginTls
from proxy.config.schema_route import HeaderRules, Match, RateLimit, Redirect, Rewrite, Route, RouteHeaders, RouteTimeouts
from proxy.model.intent import AccessLog as AccessLogModel
from proxy.model.intent import Intent
from proxy.model.intent import Tracing as TracingModel
from proxy.model.rollout import CAUSES, Cause
from proxy.model.rollout import Guard as GuardModel
from proxy.model.service import Ejection as EjectionModel
from proxy.model.service import EndpointLimits, RetryCause
from proxy.model.service import Health as HealthModel
from proxy.model.service import Retries as RetriesModel

__all__ = [
    "File",
    "HeaderRules",
    "Listener",
    "Match",
    "Part",
    "RateLimit",
    "Redirect",
    "Rewrite",
    "Route",
    "RouteHeaders",
    "RouteTimeouts",
    "Service",
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


class Version(Part):
    """One release of a service."""

    NOT_SERVED = frozenset({"schema"})
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


class Step(Part):
    """One step of a rollout: either a weight, or a gate."""

    NOT_SERVED = frozenset({"shadow", "hooks", "checks"})
    weight: f.StepWeight | None = Field(
        default=None, description="The candidate's share in percent of the service's traffic, to two decimals."
    )
    for_: f.Duration = Field(default="0", validate_default=True, alias="for", description="How long the step lasts at least.")
    min_requests: Annotated[int, f.whole(0, 10**9)] = Field(
        default=0, description="How many requests the candidate must have answered in the step at least."
    )
    gate: Annotated[Literal["manual"] | None, f.word("manual")] = Field(
        default=None, description="`manual` keeps the weight of the step before until an operator promotes."
    )


class Guard(Part):
    """The test that is always on while a candidate has weight: it acts once the candidate has provably failed more than stable."""

    NOT_SERVED = frozenset({"slow_over", "max_users_with_errors", "max_errors"})
    alpha: Annotated[float, f.real(0, 0.5, ends=False)] = Field(
        default=GuardModel().alpha,
        description="How likely a false alarm may be over a whole rollout; 0.001 is one rollout in a thousand.",
    )
    ratio: Annotated[float, f.real(1, 1000)] = Field(
        default=GuardModel().ratio, description="How many times as often as stable the candidate may fail before it counts as worse."
    )
    min_failures: Annotated[int, f.whole(1, 1_000_000)] = Field(
        default=GuardModel().min_failures, description="The fewest failures of the candidate on which the guard acts."
    )
    failures: Items[Annotated[Cause, f.word("a cause of failure")]] = Field(
        default=list(GuardModel().failures), description="What counts as a failure: " + ", ".join(CAUSES) + ".", min_length=1
    )
    action: Annotated[Literal["rollback", "pause"], f.word("rollback or pause")] = Field(
        default=GuardModel().action, description="What the guard does: everything back to stable, or stop and wait for an operator."
    )


class Rollout(Part):
    """How the service moves to a new target."""

    NOT_SERVED = frozenset(
        {"checks", "interval", "failure_limit", "failure_window", "window", "hooks", "keep_old", "undo_window"}
        | {"batch", "min_ready", "slow_start", "on_unhealthy", "max_users_with_errors", "max_errors"}
    )
    strategy: Annotated[Literal["canary"], f.word("canary")] = Field(
        default="canary", description="canary: the candidate's share grows step by step."
    )
    steps: Items[Step] | None = Field(
        default=None,
        description="What the candidate goes through before it becomes stable. Left out: 5, 25 and 50 percent for five minutes each.",
        min_length=1,
        max_length=limits.STEPS_PER_ROLLOUT_MAX,
    )
    guard: Guard = Field(default_factory=Guard, description="The test that takes a bad candidate out.")
    deadline: f.Duration = Field(default="0", validate_default=True, description="How long the whole rollout may take; 0 is for ever.")
    on_deadline: Annotated[Literal["rollback", "pause"], f.word("rollback or pause")] = Field(
        default="rollback", description="What happens when the deadline passes."
    )
    drain: f.DrainTime = Field(
        default=shown_duration(limits.DRAIN_STREAMS_S),
        validate_default=True,
        description="Over which time the tunnels and event streams of a version that has lost its traffic are closed, one by one.",
    )


class Service(Part):
    """What requests are for; it has one version or several. Either traffic or target is given, never both."""

    NOT_SERVED = frozenset({"shadow", "schema", "tracing"})
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
    rollout: Rollout = Field(default_factory=Rollout, description="How the service moves to a new target.")


class File(Part):
    """The configuration of a headgate: where it listens, the services behind it, and which requests go where."""

    NOT_SERVED = frozenset({"experiments", "flags", "gitops", "fleet"})
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
    routes: Items[Route] = Field(description="Which requests go to which service.", min_length=1, max_length=limits.ROUTES_MAX)


NOT_SERVED_WORDS: dict[str, frozenset[str]] = {"strategy": frozenset({"blue_green", "rolling"})}
"""Words of the format, by key, that this version does not act on."""


class _Described(GenerateJsonSchema):
    """Leaves out what only this program says: None, for a key that was left out or a value that was refused."""

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
