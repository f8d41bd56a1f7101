"""The shape of a route: what it matches, and what it does to requests on their way. What takes two places is in ``check_route``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from proxy import limits
from proxy.config import fields as f
from proxy.config.part import Items, Part


class Match(Part):
    """Which requests: all that is set must hold, and nothing set is every request."""

    host: f.Host = Field(
        default="", description="The host asked for, without port: exact, or `*.suffix` for every host below it. Left out: any host."
    )
    path: f.Path = Field(default="", description="The whole path, exactly. Excludes path_prefix and path_regex.")
    path_prefix: f.Path = Field(default="", description="The first segments of the path: `/a` matches `/a` and `/a/b`, not `/ab`.")
    path_regex: f.Regex = Field(default="", description="A regular expression (Python's syntax) that the whole path matches.")
    methods: Items[f.Method] = Field(
        default=[],
        description="Request methods, in capitals. Left out: every method.",
        min_length=1,
        max_length=limits.MATCH_FIELDS_MAX,
    )
    headers: dict[str, f.Value] = Field(
        default={}, description="Header names, in any case, and the exact values they must have.", max_length=limits.MATCH_FIELDS_MAX
    )
    query: dict[str, f.Value] = Field(
        default={},
        description="Query parameters and the exact values they must have, after percent-decoding.",
        max_length=limits.MATCH_FIELDS_MAX,
    )


class HeaderRules(Part):
    """Changes of a head: remove, then set, then add. Framing, connection fields, Host and Via cannot be touched."""

    set: dict[str, f.Value] = Field(
        default={}, description="Header names and values; every line of that name is replaced by this one.", max_length=limits.RULES_MAX
    )
    add: dict[str, f.Value] = Field(
        default={}, description="Header names and values, put in beside what is there.", max_length=limits.RULES_MAX
    )
    remove: Items[f.HeaderName] = Field(
        default=[], description="Header names of which every line is taken out.", max_length=limits.RULES_MAX
    )


class RouteHeaders(Part):
    """Changes of the heads that a route's messages have."""

    request: HeaderRules = Field(default_factory=HeaderRules, description="Of the request, before the service gets it.")
    response: HeaderRules = Field(default_factory=HeaderRules, description="Of the service's answer, before the client gets it.")


class Rewrite(Part):
    """What the service is asked for instead of what the client asked for."""

    prefix: f.PlainPath = Field(
        default="", description="Takes the place of the path or path_prefix that matched; `/` takes the prefix away."
    )
    host: f.Authority = Field(default="", description="The Host that the service gets. Left out: the client's.")


class Redirect(Part):
    """Where clients are sent instead of being served: all of `to`, or what they asked for with parts replaced."""

    to: f.Location = Field(default="", description="The whole new address, as it is sent: an http or https URL. Excludes the parts.")
    scheme: Annotated[Literal["http", "https"] | None, f.word("http or https")] = Field(
        default=None, description="The new scheme; a port of the old one is left out."
    )
    host: f.Authority = Field(default="", description="The new host, with a port if it has one.")
    path: f.PlainPath = Field(default="", description="The new path; the query stays.")
    status: Annotated[Literal[301, 302, 307, 308], f.one_of(301, 302, 307, 308)] = Field(
        default=302, description="301 and 308 are for good; 307 and 308 keep the method."
    )


class RouteTimeouts(Part):
    """How long an origin may take on this route; what is left out is the service's."""

    connect: f.Timeout | None = Field(default=None, description="To accept a connection.")
    response: f.Timeout | None = Field(default=None, description="From the last byte of the request to the head of the answer.")
    idle: f.Timeout | None = Field(default=None, description="Between two bytes of a body.")


class RateLimit(Part):
    """How many requests are served; what comes over it is answered 429. Each worker grants its share."""

    requests: Annotated[int, f.whole(1, 10**9)] = Field(description="How many requests pass in the time `per`, in the long run.")
    per: f.RatePeriod = Field(default="1s", validate_default=True, description="The time that `requests` is for.")
    burst: Annotated[int | None, f.whole(1, 10**9)] = Field(
        default=None, description="How many may come at once after a pause. Left out: as many as `requests`."
    )
    key: f.RateKey = Field(
        default="client_ip",
        validate_default=True,
        description="What is counted apart: `client_ip`, `header:NAME`, or `none` for all requests together.",
    )


class Route(Part):
    """Sends requests that match to a service, or elsewhere. It has either service or redirect."""

    match: Match = Field(description="Which requests; `{}` is every request. The most specific route wins, whatever the order.")
    service: f.Name = Field(default="", description="The service that answers them. Excludes redirect.")
    redirect: Redirect | None = Field(default=None, description="Answers them with another address. Excludes service.")
    headers: RouteHeaders = Field(default_factory=RouteHeaders, description="Changes of request and response heads.")
    rewrite: Rewrite = Field(default_factory=Rewrite, description="Changes of the path and the Host that the service gets.")
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="Time-outs of this route, instead of the service's.")
    body_limit: f.Size | None = Field(
        default=None, description="The largest request body, like 64KiB; a larger one is answered 413. Left out: any."
    )
    rate_limit: RateLimit | None = Field(default=None, description="How many requests pass. Left out: all.")
