"""``rollout explain``: why a rollout went as it did. Thin over the admin API."""

from __future__ import annotations

from typing import Any

import click

from proxy.cli.client import AdminClient
from proxy.cli.live import connect, connection_options, quoted
from proxy.cli.output import output_option, say
from proxy.errors import OperatorError


@click.command()
@click.argument("service")
@click.argument("revision", required=False, type=click.IntRange(min=1), metavar="[REV]")
@connection_options
@output_option
def explain(service: str, revision: int | None, output: str, **where: Any) -> None:
    """Why a rollout went as it did: the one of revision REV of the history, or the latest.

    What was tried and by whom, what happened when, how the evidence grew, which check failed, whom it reached and for how long.
    """
    told = fetched(connect(**where), service, revision)
    if output == "json":
        say(output, told, "")
        return
    from proxy.cli.explain_view import explanation
    from proxy.cli.status_view import show

    show(explanation(told))


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
