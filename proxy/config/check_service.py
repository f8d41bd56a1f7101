"""Checks of one service: its versions, where its traffic goes, what makes users sticky, overrides. ``check_rollout`` has its plan."""

from __future__ import annotations

from proxy.config import scalars, schema
from proxy.config.build_route import match
from proxy.config.check_match import check_match
from proxy.config.check_rollout import check_rollout
from proxy.config.check_shadow import check_schemas, check_shadow, is_version
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.model.route import Match


def check_service(report: Report, name: str, service: schema.Service) -> None:
    """The service of that name; mistakes go to ``report``."""
    path: KeyPath = ("services", name)
    for version in report.names((*path, "versions")):
        report.key_reads((*path, "versions", version), scalars.name)
    for version, given in service.versions.items():
        endpoints = Once(report, "is an endpoint of this version already, at")
        for index, endpoint in enumerate(given.endpoints):
            if endpoint is not None:
                endpoints.take(endpoint, (*path, "versions", version, "endpoints", index))
    _split(report, path, service)
    _sticky(report, (*path, "sticky"), service.sticky)
    for index, override in enumerate(service.overrides):
        if override is not None:
            _override(report, path, index, override)
    if service.retries is not None:
        on = Once(report, "is given already, at")
        for index, cause in enumerate(service.retries.on):
            if cause is not None:
                on.take(cause, (*path, "retries", "on", index))
    _endpoint_rules(report, path, service)
    _tls(report, path, service)
    if service.fallback and report.has((*path, "traffic")) and not report.has((*path, "target")):
        report.wrong_key((*path, "fallback"), "means nothing beside traffic: a fixed split has no candidate; remove it")
    check_shadow(report, path, service)
    check_schemas(report, path, service)
    check_rollout(report, path, service)


def _endpoint_rules(report: Report, path: KeyPath, service: schema.Service) -> None:
    bounds, ejection = service.limits, service.ejection
    if bounds is not None and report.whole((*path, "limits")) and not bounds.max_requests and not bounds.max_connections:
        report.wrong_key((*path, "limits"), "limits nothing; give max_requests or max_connections, or remove it")
    if ejection is not None and report.whole((*path, "ejection")) and ejection.max_time < ejection.time:
        longest, first = scalars.shown_duration(ejection.max_time), scalars.shown_duration(ejection.time)
        report.wrong((*path, "ejection", "max_time"), f"{longest} is below time, which is {first}; allow as much at least")


def _tls(report: Report, path: KeyPath, service: schema.Service) -> None:
    tls = service.tls
    if tls is None or not report.whole((*path, "tls")):
        return
    endpoints = [endpoint for version in service.versions.values() for endpoint in version.endpoints]
    if endpoints and not any(endpoint is None or endpoint.tls for endpoint in endpoints):
        report.wrong_key((*path, "tls"), "means nothing here: no endpoint of this service is https://; remove it")
    if bool(tls.cert) != bool(tls.key):
        report.wrong_key((*path, "tls", "cert" if tls.cert else "key"), "stands alone; cert and key are given together")
    if not tls.verify and tls.ca:
        report.wrong((*path, "tls", "verify"), "false leaves ca unused; remove one of the two")


def _split(report: Report, path: KeyPath, service: schema.Service) -> None:
    has_traffic, has_target = report.has((*path, "traffic")), report.has((*path, "target"))
    if has_traffic and has_target:
        first, second = sorted(("traffic", "target"), key=lambda key: report.document.key_place((*path, key))[1:])
        words = f"stands beside {first}; give traffic for a fixed split, or target for a rollout, and remove the other"
        report.wrong_key((*path, second), words)
    if not has_traffic and not has_target:
        words = "has neither traffic nor target; give target: VERSION, or traffic: {VERSION: WEIGHT, ...}"
        report.wrong_key(path, words)
    if has_target and report.whole((*path, "target")):
        is_version(report, path, (*path, "target"), service.target)
    for version in report.names((*path, "traffic")):
        is_version(report, path, (*path, "traffic", version), version, is_key=True)
    if service.traffic and report.whole((*path, "traffic")) and not sum(service.traffic.values()):
        report.wrong((*path, "traffic"), "gives every version the weight 0; one at least has to be above it")


def _sticky(report: Report, path: KeyPath, sticky: schema.Sticky | None) -> None:
    if sticky is None or not report.whole(path):
        return
    if sticky.by == "client_ip":
        if report.has((*path, "name")):
            report.wrong_key((*path, "name"), "means nothing with client_ip; remove it")
        return
    if not sticky.name:
        report.wrong_key(path, f"by {sticky.by} needs the {sticky.by}'s name; add name")
        return
    try:
        (scalars.header_name if sticky.by == "header" else scalars.cookie_name)(sticky.name)
    except ValueError as error:
        report.wrong((*path, "name"), str(error))


def _override(report: Report, path: KeyPath, index: int, override: schema.Override) -> None:
    at = (*path, "overrides", index)
    if report.whole((*at, "version")):
        is_version(report, path, (*at, "version"), override.version)
    check_match(report, (*at, "match"), override.match)
    if report.whole((*at, "match")) and match(override.match) == Match():
        report.wrong((*at, "match"), "is empty, so every request would be an override; name a header, path or the like")
