"""What has changed between two configurations, in the words of the file. Pure; what that would do to traffic is not known here.

A route is known by what it matches, a service and a version by its name. So a route with another match is one that is gone and one that
is new, and a route that stays and names another service has *moved*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from proxy.config.build import shown_rest, shown_service
from proxy.config.build_route import shown_route
from proxy.config.places import KeyPath, shown
from proxy.model.intent import Intent
from proxy.model.route import Match, Route
from proxy.model.service import Service, Version
from proxy.model.url import shown as without_secrets

How = Literal["added", "removed", "moved", "changed"]

_URLS: Final = frozenset({"url", "otlp", "address"})
"""Keys whose values may carry a secret behind their path."""


class Difference(msgspec.Struct, frozen=True):
    """A value that differs, by its key below what it belongs to. None: it is not there. Values are as the file would have them."""

    key: str
    before: Any = None
    after: Any = None


class RouteChange(msgspec.Struct, frozen=True):
    """``before`` and ``after`` say where it leads: a service, a redirect in words, or nothing."""

    how: How
    match: Match
    before: str
    after: str
    differences: tuple[Difference, ...] = ()


class VersionChange(msgspec.Struct, frozen=True):
    """Endpoints by their address."""

    how: How
    version: str
    endpoints_added: tuple[str, ...] = ()
    endpoints_removed: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()


class ServiceChange(msgspec.Struct, frozen=True):
    """``differences`` are those of everything but its versions."""

    how: How
    service: str
    versions: tuple[VersionChange, ...] = ()
    differences: tuple[Difference, ...] = ()


class Changes(msgspec.Struct, frozen=True):
    """Everything; ``rest`` is what is neither route nor service: listeners, admin, logs and the like."""

    routes: tuple[RouteChange, ...] = ()
    services: tuple[ServiceChange, ...] = ()
    rest: tuple[Difference, ...] = ()

    @property
    def none(self) -> bool:
        """Whether nothing has changed."""
        return not (self.routes or self.services or self.rest)


def changes(old: Intent, new: Intent) -> Changes:
    """What has changed from ``old`` to ``new``. Digests, and what is said in other words, are no change."""
    rest = _differences(shown_rest(old), shown_rest(new), ())
    return Changes(tuple(_routes(old, new)), tuple(_services(old, new)), tuple(rest))


def leads_to(route: Route) -> str:
    """Where a route leads, in words."""
    if route.redirect is None:
        return route.service
    parts = {key: value for key in ("to", "scheme", "host", "path") if (value := getattr(route.redirect, key))}
    return f"redirect to {parts['to']}" if "to" in parts else f"redirect to another {' and '.join(parts)}"


def _routes(old: Intent, new: Intent) -> Iterator[RouteChange]:
    before, after = {_known(route): route for route in old.routes}, {_known(route): route for route in new.routes}
    for key, route in before.items():
        if key not in after:
            yield RouteChange("removed", route.match, leads_to(route), "")
    for key, route in after.items():
        known = before.get(key)
        if known is None:
            yield RouteChange("added", route.match, "", leads_to(route))
        elif known != route:
            found = tuple(_differences(_ruled(known), _ruled(route), ()))
            if found or leads_to(known) != leads_to(route):
                how: How = "moved" if leads_to(known) != leads_to(route) else "changed"
                yield RouteChange(how, route.match, leads_to(known), leads_to(route), found)


def _known(route: Route) -> Match:
    methods = tuple(sorted(route.match.methods))
    return route.match if methods == route.match.methods else msgspec.structs.replace(route.match, methods=methods)


def _ruled(route: Route) -> dict[str, Any]:
    return {key: value for key, value in shown_route(route).items() if key not in ("match", "service")}


def _services(old: Intent, new: Intent) -> Iterator[ServiceChange]:
    before, after = {service.name: service for service in old.services}, {service.name: service for service in new.services}
    for name in before:
        if name not in after:
            yield ServiceChange("removed", name)
    for name, service in after.items():
        known = before.get(name)
        if known is None:
            yield ServiceChange("added", name)
        elif known != service:
            one, other = shown_service(known), shown_service(service)
            versions = tuple(_versions(known, service, one.pop("versions"), other.pop("versions")))
            found = tuple(_differences(one, other, ()))
            if versions or found:
                yield ServiceChange("changed", name, versions, found)


def _versions(old: Service, new: Service, before: dict[str, Any], after: dict[str, Any]) -> Iterator[VersionChange]:
    """``before`` and ``after`` are all versions in the form of the file."""
    for version in old.versions:
        if new.version(version.name) is None:
            yield VersionChange("removed", version.name, endpoints_removed=tuple(_addresses(version)))
    for version in new.versions:
        known = old.version(version.name)
        if known is None:
            yield VersionChange("added", version.name, endpoints_added=tuple(_addresses(version)))
        elif known != version:
            one, other = before[version.name], after[version.name]
            del one["endpoints"], other["endpoints"]
            had, has = _addresses(known), _addresses(version)
            gone, come = (
                tuple(address for address in had if address not in has),
                tuple(address for address in has if address not in had),
            )
            found = tuple(_differences(one, other, ()))
            if gone or come or found:
                yield VersionChange("changed", version.name, come, gone, found)


def _addresses(version: Version) -> dict[str, None]:
    """Of its endpoints, in their order."""
    return dict.fromkeys(endpoint.label for endpoint in version.endpoints)


def _differences(before: Any, after: Any, path: KeyPath) -> Iterator[Difference]:
    """Of two values in the form of the file; lists of named things are compared by name."""
    one, other = _by_name(before), _by_name(after)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            if key not in one or key not in other or one[key] != other[key]:
                yield from _differences(one.get(key), other.get(key), (*path, key))
    elif one != other:
        yield Difference(shown(path), _told(path, before), _told(path, after))


def _by_name(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        names = {item["name"] for item in value if "name" in item}
        return {item["name"]: item for item in value} if len(names) == len(value) else dict(enumerate(value))
    return value


def _told(path: KeyPath, value: Any) -> Any:
    if isinstance(value, str) and path and path[-1] in _URLS and "://" in value:
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _told((*path, key), item) for key, item in value.items()}
    return [_told(path, item) for item in value] if isinstance(value, list) else value
