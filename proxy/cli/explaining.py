"""``rollout explain``: why a rollout went as it did. Thin over the admin API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.client import AdminClient
from proxy.cli.live import connect, connection_options, quoted
from proxy.cli.output import output_option, say
from proxy.errors import OperatorError

if TYPE_CHECKING:
    from proxy.model.rollout import RolloutPlan
    from proxy.simulation.replay import Replay


@click.command()
@click.argument("service")
@click.argument("revision", required=False, type=click.IntRange(min=1), metavar="[REV]")
@click.option("--with", "other", metavar="F", help="What the service's plan in configuration F would have decided on the same figures.")
@connection_options
@output_option
def explain(service: str, revision: int | None, other: str | None, output: str, **where: Any) -> None:
    """Why a rollout went as it did: the one of revision REV of the history, or the latest.

    What was tried and by whom, what happened when, how the evidence grew, which check failed, whom it reached and for how long.
    """
    told = fetched(connect(**where), service, revision)
    if other is not None:
        _compare(told, service, other, output)
        return
    if output == "json":
        say(output, told, "")
        return
    from proxy.cli.explain_view import explanation
    from proxy.cli.status_view import show

    show(explanation(told))


def _compare(told: dict[str, Any], service: str, other: str, output: str) -> None:
    """Replay the other plan, and print both outcomes."""
    import msgspec

    from proxy.cli.explain_view import compared
    from proxy.cli.status_view import show

    replayed = msgspec.to_builtins(played(told, plan_of(service, other)))
    if output == "json":
        recorded = {key: told.get(key) for key in ("rollout", "outcome", "started_at", "ended_at", "story")}
        say(output, {"service": service, "recorded": recorded, "with": {"configuration": other, **replayed}}, "")
        return
    show(compared(told, other, replayed))


def plan_of(service: str, other: str) -> RolloutPlan:
    """The rollout plan of that service in another configuration. Raises ``OperatorError`` with every mistake that it has."""
    from proxy.config import load

    found = load(Path(other), env=os.environ).service(service)
    if found is None:
        raise OperatorError(f"{other} has no service {service!r}, so there is no plan to play")
    return found.rollout


def played(told: dict[str, Any], plan: RolloutPlan) -> Replay:
    """The other plan on what was recorded. Raises ``OperatorError`` when nothing was."""
    import msgspec

    from proxy.analysis.series import Series
    from proxy.model.rollout import RolloutPlan
    from proxy.simulation.replay import replay

    if not told.get("recorded"):
        raise OperatorError(f"nothing is kept of how rollout {told.get('rollout')} went, so no other plan can be played on it")
    series = msgspec.convert(told["recorded"], Series, str_keys=True)
    recorded = msgspec.convert(told["plan"], RolloutPlan)
    sticky = (told.get("blast_radius") or {}).get("users") is not None
    versions = str(told["from"]), str(told["to"])
    return replay(series, recorded, plan, float(told["started_at"]), versions=versions, sticky=sticky)


def fetched(client: AdminClient, service: str, revision: int | None) -> dict[str, Any]:
    """The API's explanation. Without a revision that of the latest decision about a rollout."""
    base = f"/api/v1/services/{quoted(service)}/history"
    if revision is None:
        newest = client.get(f"{base}?limit=1").get("revisions") or []
        if not newest:
            raise OperatorError(f"{service}: nothing has been decided yet, so there is nothing to explain")
        revision = int(newest[0]["revision"])
    told: dict[str, Any] = client.get(f"{base}/{revision}/explanation")
    return told
