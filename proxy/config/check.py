"""What the schema cannot say, because it takes two places of the file: references, duplicates, either-or, and names that are keys.

Adds mistakes to the document and builds nothing. Gaps (values that were refused) are never held against what refers to them.
"""

from __future__ import annotations

import msgspec

from proxy.config import scalars, schema
from proxy.config.build_route import match
from proxy.config.check_route import check_route
from proxy.config.check_service import check_service
from proxy.config.merge import Document
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.config.shape import Shaped


def check(document: Document, shaped: Shaped) -> None:
    """Every check; mistakes are added to ``document.mistakes``."""
    report = Report(document, shaped)
    _listeners(report)
    for name in report.names(("services",)):
        report.key_reads(("services", name), scalars.name)
    for name, service in report.file.services.items():
        check_service(report, name, service)
    _notifications(report)
    _routes(report)


def _notifications(report: Report) -> None:
    names = Once(report, "is the name of another notification, at")
    for index, told in enumerate(report.file.notifications):
        at: KeyPath = ("notifications", index)
        if told is None or not report.whole(at):
            continue
        names.take(told.name, (*at, "name"))
        kinds = Once(report, "is given already, at")
        for number, kind in enumerate(told.on):
            kinds.take(kind, (*at, "on", number))
        if told.form == "slack" and told.secret_file:
            report.wrong_key((*at, "secret_file"), "means nothing with form: slack, whose receivers check no signature; remove it")


def _listeners(report: Report) -> None:
    names = Once(report, "is the name of another listener, at")
    addresses = Once(report, "is the address of another listener, at")
    for index, listener in enumerate(report.file.listeners):
        path: KeyPath = ("listeners", index)
        if listener is None or not report.whole(path):
            continue
        names.take(listener.name, (*path, "name"))
        if _is_fixed(listener.address):
            addresses.take(listener.address, (*path, "address"))
        if listener.redirect_to_https and listener.tls is not None:
            report.wrong(
                (*path, "redirect_to_https"), "this listener speaks TLS itself, so nobody needs a redirect; take one of the two away"
            )
        if listener.proxy_protocol and not listener.trusted_proxies and not listener.address.unix:
            words = "a PROXY header is taken from trusted_proxies only, and there are none; name the proxies in front"
            report.wrong((*path, "proxy_protocol"), words)
    if report.whole(("admin",)):
        _admin(report, report.file.admin, addresses)


def _admin(report: Report, admin: schema.Admin, addresses: Once) -> None:
    if _is_fixed(admin.address):
        addresses.take(admin.address, ("admin", "address"))
    if not scalars.is_loopback(admin.address) and not admin.token_file:
        words = f"{admin.address} can be reached from other machines; set admin.token_file, or listen on 127.0.0.1"
        report.wrong(("admin", "address"), words)


def _is_fixed(address: scalars.Address) -> bool:
    return bool(address.port or address.unix)  # any number of listeners may ask for a free port


def _routes(report: Report) -> None:
    services = report.names(("services",))
    known = frozenset(services)
    matches = Once(report, "matches exactly what another route does, at")
    for index, route in enumerate(report.file.routes):
        path: KeyPath = ("routes", index)
        if route is None:
            continue
        if known and route.service and report.whole((*path, "service")) and route.service not in known:
            report.wrong(
                (*path, "service"),
                f"{route.service!r} is no service of this configuration; {report.document.mistakes.nearest(route.service, services)}",
            )
        check_route(report, path, route)
        if report.whole((*path, "match")):
            canonical = match(route.match)
            matches.take(msgspec.structs.replace(canonical, methods=tuple(sorted(canonical.methods))), (*path, "match"))
