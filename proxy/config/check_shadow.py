"""Checks of a service's versions where something names them: copies, and the database schemas they run on."""

from __future__ import annotations

from proxy.config import schema
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report


def is_version(report: Report, path: KeyPath, at: KeyPath, version: str, *, is_key: bool = False) -> bool:
    """Whether the service at ``path`` has that version; reported at ``at`` when it has not."""
    versions = report.names((*path, "versions"))
    if versions and version not in versions:
        words = f"{version!r} is no version of {path[1]}; {report.document.mistakes.nearest(version, versions)}"
        (report.wrong_key if is_key else report.wrong)(at, words)
        return False
    return True


def check_shadow(report: Report, path: KeyPath, service: schema.Service) -> None:
    """The copies of the service at ``path``."""
    shadow, at = service.shadow, (*path, "shadow")
    if shadow is None:
        return
    for key, name in (("version", shadow.version), ("noise", shadow.noise)):
        if name and report.whole((*at, key)):
            is_version(report, path, (*at, key), name)
    if shadow.noise and shadow.noise == shadow.version:
        report.wrong((*at, "noise"), "is the version that is compared; name another, which is known to be good, such as stable")
    if not report.has((*at, "version")):
        if report.has((*at, "percent")):
            report.wrong_key(
                (*at, "percent"), "means nothing without version: a rollout's shadow step says how much it copies; remove it"
            )
        steps = service.rollout.steps or ()
        if report.whole((*path, "rollout")) and not any(step is not None and step.shadow is not None for step in steps):
            report.wrong_key(at, "copies nothing: give version, or the rollout a step like {shadow: {percent: 20, for: 2m}}")
    if not shadow.compare:
        for key in ("ignore", "allow", "noise", "max_bytes"):
            if report.has((*at, key)):
                report.wrong_key((*at, key), "means nothing beside compare: false; remove it")
    for key, paths in (("ignore", shadow.ignore), ("allow", shadow.allow), ("redact", shadow.redact)):
        once = Once(report, "is given already, at")
        for index, item in enumerate(paths):
            if item is not None and report.has((*at, key)):
                once.take(item, (*at, key, index))


def check_schemas(report: Report, path: KeyPath, service: schema.Service) -> None:
    """That what the service at ``path`` is to serve runs on the database's present schema."""
    declared: dict[str, tuple[int, ...]] = {}
    for name, version in service.versions.items():
        if version.schema_ is not None:
            at = (*path, "versions", name, "schema")
            once = Once(report, "is given already, at")
            for index, number in enumerate(version.schema_.runs_on):
                if number is not None:
                    once.take(number, (*at, "runs_on", index))
            declared[name] = tuple(number for number in version.schema_.runs_on if number is not None)
            if not report.has((*path, "schema")):
                report.wrong_key(at, "holds nothing: the service does not say which schema is present; give it schema: NUMBER")
    if not service.schema_ or not report.whole(path):
        return
    if not declared:
        words = "means nothing here: no version says which it runs on, by schema: {runs_on: [...]}; give it to those that need one"
        report.wrong_key((*path, "schema"), words)
    live = [("target", service.target)] if service.target else [("traffic", name) for name, weight in service.traffic.items() if weight]
    for key, name in live:
        runs_on = declared.get(name)
        if runs_on and service.schema_ not in runs_on:
            known = ", ".join(map(str, runs_on))
            report.wrong(
                (*path, "target") if key == "target" else (*path, key, name),
                f"{name} runs on schema {known}, and the service's is {service.schema_}; "
                "migrate the database first, or name a version that runs on it",
            )
