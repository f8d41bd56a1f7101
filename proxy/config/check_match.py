"""Checks of one match: either-or of its paths, header names that are keys, and things given twice. Knows no routes."""

from __future__ import annotations

from proxy.config import scalars
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.config.schema_route import Match

_PATHS = frozenset({"path", "path_prefix", "path_regex"})


def check_match(report: Report, path: KeyPath, match: Match) -> None:
    """The match at ``path``; mistakes go to ``report``."""
    given = [key for key in report.names(path) if key in _PATHS]
    if len(given) > 1:
        report.wrong_key((*path, given[1]), f"stands beside {given[0]}; one match has one of path, path_prefix and path_regex")
    methods = Once(report, "is given already, at")
    for index, method in enumerate(match.methods):
        if method is not None:
            methods.take(method, (*path, "methods", index))
    names: dict[str, str] = {}
    for name in match.headers:
        if report.key_reads((*path, "headers", name), scalars.header_name):
            first = names.setdefault(name.lower(), name)
            if first is not name:
                words = f"is the same header as {first}, for case does not count in header names; keep one of the two"
                report.wrong_key((*path, "headers", name), words)
    if "" in match.query:
        report.wrong_key((*path, "query", ""), "is no parameter name; write the name before the `=`")
