"""The schema guard: no version is made live that does not run on the database's present schema. Pure; knows no SQL and no migration.

Expand and contract
-------------------
A database that two versions share can change only in steps that both run on: *expand* (the new schema still serves the old version),
release the new version, *contract* (what only the old one needed goes). A version says what it runs on (``runs_on: [12, 13]``), the
service what the database is at now (``schema: 13``). After the contraction the old version does not run any more; whoever goes back to
it all the same, by an undo at night, breaks the service. So that is refused, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.errors import OperatorError
from proxy.model.intent import Intent
from proxy.model.position import RESTING, Position
from proxy.model.service import Service, Version

REMEDY = (
    "expand the database until both versions run on it and say so in schema:, or choose a version that runs on this one; "
    "--force does it all the same, and is recorded"
)


def unfit(service: Service, version: Version) -> str:
    """Why the version must not be made live on the service's present schema; empty when it may, or when nothing was said."""
    if not service.schema or not version.runs_on or service.schema in version.runs_on:
        return ""
    return f"{version.name} runs on schema {', '.join(map(str, version.runs_on))}, and {service.name} is at schema {service.schema}"


def refuse(service: Service, verb: str, why: str) -> OperatorError:
    """The error for a verb that would make an unfit version live."""
    return OperatorError(f"{service.name}: cannot {verb}: {why}; {REMEDY}")


def conflicts(positions: Mapping[str, Position], old: Intent, new: Intent) -> list[str]:
    """What ``new`` would do against the guard to what runs: one sentence a service. Empty when it is fine.

    A running rollout keeps the schema it began on: its versions were let through on that one. A version that carries everything must
    run on whatever the schema is said to be.
    """
    return [said for name, position in sorted(positions.items()) if (said := _conflict(name, position, old, new))]


def _conflict(name: str, position: Position, old: Intent, new: Intent) -> str:
    before, after = old.service(name), new.service(name)
    if after is None or not after.target:
        return ""
    if position.phase not in RESTING and before is not None and before.schema != after.schema:
        return (
            f"services.{name}.schema: {_said(before)} would become {_said(after)} while its rollout to {position.candidate} is "
            f"{position.phase}; let it end, or end it first: headgate rollout abort {name} --reason TEXT"
        )
    stable = after.version(position.stable)
    if stable is None or not (why := unfit(after, stable)):
        return ""
    if before is not None and (known := before.version(position.stable)) is not None and unfit(before, known):
        return ""  # it was made live by force, and nothing here makes that worse
    return f"services.{name}.schema: {why}, but it is stable and carries traffic; promote a version that runs on {after.schema} first"


def _said(service: Service) -> str:
    return str(service.schema) if service.schema else "not said"
