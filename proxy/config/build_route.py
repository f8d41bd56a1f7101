"""One route's shape into the frozen model, and back into the form of the file; ``build`` does the rest."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from proxy.config import schema_route as schema
from proxy.config.scalars import shown_duration
from proxy.config.scalars_route import shown_size
from proxy.model.route import AS_ASKED, AS_SERVICE, NO_RULES, HeaderRules, Match, RateLimit, Redirect, Rewrite, Route, RouteTimeouts

T = TypeVar("T")


def match(given: schema.Match) -> Match:
    """A match in its one canonical form: header names in lower case, headers and query sorted by name (all have to hold)."""
    return Match(
        host=given.host,
        path=given.path,
        path_prefix=given.path_prefix,
        path_regex=given.path_regex,
        methods=tuple(method for method in given.methods if method is not None),
        headers=tuple(sorted((name.lower(), value) for name, value in given.headers.items())),
        query=tuple(sorted(given.query.items())),
    )


def route(given: schema.Route) -> Route:
    """The whole route."""
    redirect, timeouts = given.redirect, given.timeouts
    return Route(
        match=match(given.match),
        service=given.service,
        request_headers=_rules(given.headers.request),
        response_headers=_rules(given.headers.response),
        rewrite=_or(AS_ASKED, Rewrite(given.rewrite.prefix, given.rewrite.host)),
        redirect=None
        if redirect is None
        else Redirect(redirect.to, redirect.scheme or "", redirect.host, redirect.path, redirect.status),
        timeouts=_or(AS_SERVICE, RouteTimeouts(timeouts.connect, timeouts.response, timeouts.idle)),
        body_limit=given.body_limit,
        rate_limit=_rate_limit(given.rate_limit),
    )


def _rules(given: schema.HeaderRules) -> HeaderRules:
    built = HeaderRules(
        set=tuple((name.lower(), value) for name, value in given.set.items()),
        add=tuple((name.lower(), value) for name, value in given.add.items()),
        remove=tuple(name for name in given.remove if name is not None),
    )
    return _or(NO_RULES, built)


def _or(default: T, built: T) -> T:
    """The very default where it equals it: a message leaves out what is the default, and most routes have nothing to say."""
    return default if built == default else built


def _rate_limit(given: schema.RateLimit | None) -> RateLimit | None:
    if given is None:
        return None
    burst = given.requests if given.burst is None else given.burst
    return RateLimit(given.requests, given.per, burst, cast(Any, given.key.kind), given.key.header)


def shown_route(route: Route) -> dict[str, Any]:
    """In the form of the file; keys that do nothing are left out."""
    heads = {"request": _shown_rules(route.request_headers), "response": _shown_rules(route.response_headers)}
    timeouts = {
        key: shown_duration(seconds)
        for key, seconds in (
            ("connect", route.timeouts.connect_s),
            ("response", route.timeouts.response_s),
            ("idle", route.timeouts.idle_s),
        )
        if seconds is not None
    }
    shown: dict[str, Any] = {
        "match": shown_match(route.match),
        "service": route.service,
        "redirect": _given(route.redirect, "to", "scheme", "host", "path", "status") if route.redirect is not None else {},
        "headers": {side: rules for side, rules in heads.items() if rules},
        "rewrite": _given(route.rewrite, "prefix", "host"),
        "timeouts": timeouts,
    }
    shown = {key: value for key, value in shown.items() if value or key == "match"}
    if route.body_limit is not None:
        shown["body_limit"] = shown_size(route.body_limit)
    if route.rate_limit is not None:
        limit = route.rate_limit
        key = f"header:{limit.header}" if limit.key == "header" else limit.key
        shown["rate_limit"] = {"requests": limit.requests, "per": shown_duration(limit.per_s), "burst": limit.burst, "key": key}
    return shown


def _given(part: Rewrite | Redirect, *keys: str) -> dict[str, Any]:
    return {key: value for key in keys if (value := getattr(part, key))}


def _shown_rules(rules: HeaderRules) -> dict[str, Any]:
    shown = {"set": dict(rules.set), "add": dict(rules.add), "remove": list(rules.remove)}
    return {verb: what for verb, what in shown.items() if what}


def shown_match(match: Match) -> dict[str, Any]:
    """In the form of the file."""
    shown: dict[str, Any] = {key: text for key in ("host", "path", "path_prefix", "path_regex") if (text := getattr(match, key))}
    if match.methods:
        shown["methods"] = list(match.methods)
    if match.headers:
        shown["headers"] = dict(match.headers)
    if match.query:
        shown["query"] = dict(match.query)
    return shown
