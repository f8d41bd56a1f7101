"""The checked file into the frozen model, and the model back into the form of the file.

Both ways are here so that they stay inverse. Knows no mistakes: what comes in has passed every check.
"""

from __future__ import annotations

from typing import Any

from proxy.config import schema
from proxy.config.build_listener import listener, origin_tls, shown_listener, shown_origin_tls
from proxy.config.build_rollout import rollout, shown_rollout
from proxy.config.build_route import match, route, shown_match, shown_route
from proxy.config.build_shadow import shadow, shown_shadow
from proxy.config.environment import escaped
from proxy.config.scalars import Address, header_name, shown_duration
from proxy.model.intent import AccessLog, Admin, Intent, Notification, Tracing
from proxy.model.service import Ejection, Endpoint, EndpointLimits, Health, Override, Retries, Service, Sticky, Timeouts, Version


def intent(file: schema.File, digest: str, cores: int) -> Intent:
    """The whole configuration, frozen. ``cores`` is what ``workers: auto`` becomes. The file has passed every check."""
    log = file.access_log
    return Intent(
        digest=digest,
        listeners=tuple(listener(given) for given in file.listeners if given is not None),
        services=tuple(_service(name, service) for name, service in file.services.items()),
        routes=tuple(route(given) for given in file.routes if given is not None),
        admin=Admin(*file.admin.address[:3], token_file=file.admin.token_file),
        workers=cores if file.workers == "auto" else file.workers,
        state_path=file.state.path,
        access_log=None if log is None else AccessLog(path=log.path, sample=log.sample),
        tracing=None if file.tracing is None else Tracing(otlp=file.tracing.otlp, sample=file.tracing.sample),
        notifications=tuple(
            Notification(
                told.name, told.url, told.form, told.secret_file, tuple(kind for kind in told.on if kind is not None), told.timeout
            )
            for told in file.notifications
            if told is not None
        ),
        nameservers=() if file.resolver is None else tuple(given for given in file.resolver.nameservers if given is not None),
        drain_timeout_s=file.drain_timeout,
    )


def _service(name: str, given: schema.Service) -> Service:
    sticky = given.sticky
    return Service(
        name=name,
        versions=tuple(_version(version_name, version) for version_name, version in given.versions.items()),
        traffic=tuple(given.traffic.items()),
        target=given.target,
        sticky=None if sticky is None else Sticky(sticky.by, header_name(sticky.name) if sticky.by == "header" else sticky.name),
        overrides=tuple(Override(match(item.match), item.version) for item in given.overrides if item is not None),
        timeouts=Timeouts(given.timeouts.connect, given.timeouts.response, given.timeouts.idle, given.timeouts.tunnel),
        balance=given.balance,
        expose_version=given.expose_version,
        retries=None if given.retries is None else _retries(given.retries),
        fallback=given.fallback,
        health=None if given.health is None else _health(given.health),
        ejection=None if given.ejection is None else _ejection(given.ejection),
        limits=None if given.limits is None else _limits(given.limits),
        tls=None if given.tls is None else origin_tls(given.tls),
        schema=given.schema_,
        shadow=None if given.shadow is None else shadow(given.shadow),
        rollout=rollout(given.rollout),
    )


def _retries(given: schema.Retries) -> Retries:
    return Retries(given.attempts, tuple(cause for cause in given.on if cause is not None))


def _health(given: schema.Health) -> Health:
    return Health(given.path, given.interval, given.timeout, given.unhealthy_after, given.healthy_after)


def _ejection(given: schema.Ejection) -> Ejection:
    return Ejection(given.failures, given.time, given.max_time, given.max_share)


def _limits(given: schema.Limits) -> EndpointLimits:
    return EndpointLimits(given.max_connections, given.max_requests, given.queue, given.queue_timeout)


def _version(name: str, given: schema.Version) -> Version:
    endpoints = tuple(Endpoint(*address) for address in given.endpoints if address is not None)
    return Version(
        name,
        endpoints,
        labels=tuple(sorted(given.labels.items())),
        slow_start_s=given.slow_start,
        runs_on=() if given.schema_ is None else tuple(number for number in given.schema_.runs_on if number is not None),
    )


def effective(intent: Intent) -> dict[str, Any]:
    """The configuration in force, defaults written out, in the form of the file: ``load`` reads it back to the same Intent."""
    services = {service.name: shown_service(service) for service in intent.services}
    routes = [shown_route(given) for given in intent.routes]
    return shown_rest(intent) | {"services": _escaped(services), "routes": _escaped(routes)}


def shown_rest(intent: Intent) -> dict[str, Any]:
    """What is neither service nor route, as ``effective`` has it."""
    log = intent.access_log
    shown: dict[str, Any] = {
        "listeners": [shown_listener(given) for given in intent.listeners],
        "admin": {
            "address": str(Address(intent.admin.host, intent.admin.port, intent.admin.unix)),
            **({"token_file": intent.admin.token_file} if intent.admin.token_file else {}),
        },
        "workers": intent.workers,
        "state": {"path": intent.state_path},
        **({} if log is None else {"access_log": {"path": log.path, "sample": log.sample}}),
        **({} if (traces := intent.tracing) is None else {"tracing": {"otlp": traces.otlp, "sample": traces.sample}}),
        **({"resolver": {"nameservers": list(intent.nameservers)}} if intent.nameservers else {}),
        **({"notifications": [_shown_notification(told) for told in intent.notifications]} if intent.notifications else {}),
        "drain_timeout": shown_duration(intent.drain_timeout_s),
    }
    return {key: _escaped(value) for key, value in shown.items()}


def shown_service(service: Service) -> dict[str, Any]:
    """In the form of the file, defaults written out."""
    timeouts, sticky, retries = service.timeouts, service.sticky, service.retries
    return {
        "versions": {version.name: _shown_version(version) for version in service.versions},
        **({"target": service.target} if service.target else {"traffic": dict(service.traffic)}),
        **({} if sticky is None else {"sticky": {"by": sticky.by, **({"name": sticky.name} if sticky.name else {})}}),
        "overrides": [{"match": shown_match(item.match), "version": item.version} for item in service.overrides],
        "timeouts": {
            "connect": shown_duration(timeouts.connect_s),
            "response": shown_duration(timeouts.response_s),
            "idle": shown_duration(timeouts.idle_s),
            "tunnel": shown_duration(timeouts.tunnel_s),
        },
        "balance": service.balance,
        "expose_version": service.expose_version,
        **({} if retries is None else {"retries": {"attempts": retries.attempts, "on": list(retries.on)}}),
        "fallback": service.fallback,
        **_shown_endpoint_rules(service),
        **({} if service.tls is None else {"tls": shown_origin_tls(service.tls)}),
        **({"schema": service.schema} if service.schema else {}),
        **({} if service.shadow is None else {"shadow": shown_shadow(service.shadow)}),
        "rollout": shown_rollout(service.rollout),
    }


def _shown_endpoint_rules(service: Service) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if (health := service.health) is not None:
        shown["health"] = {
            "path": health.path,
            "interval": shown_duration(health.interval_s),
            "timeout": shown_duration(health.timeout_s),
            "unhealthy_after": health.unhealthy_after,
            "healthy_after": health.healthy_after,
        }
    if (ejection := service.ejection) is not None:
        shown["ejection"] = {
            "failures": ejection.failures,
            "time": shown_duration(ejection.time_s),
            "max_time": shown_duration(ejection.max_time_s),
            "max_share": ejection.max_share,
        }
    if (bounds := service.limits) is not None:
        shown["limits"] = {
            "max_connections": bounds.max_connections,
            "max_requests": bounds.max_requests,
            "queue": bounds.queue,
            "queue_timeout": shown_duration(bounds.queue_timeout_s),
        }
    return shown


def _shown_version(version: Version) -> dict[str, Any]:
    endpoints = [
        endpoint.name if endpoint.unix else f"http{'s' if endpoint.tls else ''}://{endpoint.name}" for endpoint in version.endpoints
    ]
    return {
        "endpoints": endpoints,
        "labels": dict(version.labels),
        "slow_start": shown_duration(version.slow_start_s),
        **({"schema": {"runs_on": list(version.runs_on)}} if version.runs_on else {}),
    }


def _shown_notification(told: Notification) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": told.name, "url": told.url, "form": told.form, "timeout": shown_duration(told.timeout_s)}
    return shown | {key: value for key, value in (("secret_file", told.secret_file), ("on", list(told.on))) if value}


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {escaped(key): _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
