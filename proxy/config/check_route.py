"""Checks of one route: that it leads somewhere and once, which headers its rules may touch, and what stands beside what."""

from __future__ import annotations

from typing import Final

from proxy.config import scalars
from proxy.config.check_match import check_match
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.config.schema_route import HeaderRules, Redirect, Route
from proxy.wire.headers import UNRULED_REQUEST, UNRULED_RESPONSE

_FOR_SERVICES: Final = ("headers", "rewrite", "timeouts", "body_limit", "rate_limit")


def check_route(report: Report, path: KeyPath, route: Route) -> None:
    """The route at ``path``, its service's existence aside."""
    has_service, has_redirect = report.has((*path, "service")), report.has((*path, "redirect"))
    if has_service and has_redirect:
        report.wrong_key((*path, "redirect"), "stands beside service; a route either serves requests or redirects them, so remove one")
    elif has_redirect:
        for key in _FOR_SERVICES:
            if report.has((*path, key)):
                report.wrong_key((*path, key), "means nothing beside redirect, for no service gets the request; remove it")
    elif not has_service:
        report.wrong_key(path, "has neither service nor redirect; give service: NAME, or redirect: {scheme: https}")
    check_match(report, (*path, "match"), route.match)
    for side, rules, unruled in (
        ("request", route.headers.request, UNRULED_REQUEST),
        ("response", route.headers.response, UNRULED_RESPONSE),
    ):
        _headers(report, (*path, "headers", side), rules, unruled)
    if route.rewrite.prefix and not (report.has((*path, "match", "path")) or report.has((*path, "match", "path_prefix"))):
        report.wrong_key((*path, "rewrite", "prefix"), "has nothing to replace; give match.path_prefix or match.path")
    if route.redirect is not None and report.whole((*path, "redirect")):
        _redirect(report, (*path, "redirect"), route.redirect)


def _headers(report: Report, path: KeyPath, rules: HeaderRules, unruled: frozenset[bytes]) -> None:
    for verb, given in (("set", rules.set), ("add", rules.add)):
        names: dict[str, str] = {}
        for name in given:
            at = (*path, verb, name)
            if report.key_reads(at, scalars.header_name):
                first = names.setdefault(name.lower(), name)
                if first is not name:
                    words = f"is the same header as {first}, for case does not count in header names; keep one of the two"
                    report.wrong_key(at, words)
                elif words := _forbidden(name, unruled):
                    report.wrong_key(at, words)
    removed = Once(report, "is given already, at")
    for index, removed_name in enumerate(rules.remove):
        if removed_name is not None:
            removed.take(removed_name, (*path, "remove", index))
            if words := _forbidden(removed_name, unruled):
                report.wrong((*path, "remove", index), words)


def _forbidden(name: str, unruled: frozenset[bytes]) -> str:
    if name.lower() == "host":
        return "is not for header rules; give the service another host with rewrite: {host: NAME}"
    if name.lower().encode() in unruled:
        return f"{name.lower()} belongs to the connection or to the proxy itself; no rule may touch it"
    return ""


def _redirect(report: Report, path: KeyPath, redirect: Redirect) -> None:
    parts = [key for key in ("scheme", "host", "path") if report.has((*path, key))]
    if redirect.to and parts:
        report.wrong_key((*path, parts[0]), "stands beside to, which is the whole address already; remove one of the two")
    elif not redirect.to and not parts:
        report.wrong(path, "leads back to the same address; give to, or at least one of scheme, host and path")
