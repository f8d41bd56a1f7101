"""``rollout``: operate a rollout and wait for its end. Thin over the admin API; the controller decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from proxy.cli.client import AdminClient
from proxy.cli.explaining import explain
from proxy.cli.live import connect, connection_options, looks, quoted
from proxy.cli.output import output_option, say


@click.group()
def rollout() -> None:
    """Operate a rollout. `start --wait` and `watch` end with 0 when promoted and 1 when rolled back."""


def _verb(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("service")(connection_options(output_option(function)))


_force = click.option("--force", is_flag=True, help="Although the version does not run on the present schema; it is recorded.")


def _said(force: bool, **body: Any) -> dict[str, Any]:
    """A body with what was said, and no more."""
    return {key: value for key, value in body.items() if value} | ({"force": True} if force else {})


def _post(client: AdminClient, service: str, verb: str, body: dict[str, Any], output: str) -> None:
    answer = client.post(f"/api/v1/services/{quoted(service)}/rollout/{verb}", body)
    say(output, answer, line(answer, service))


@rollout.command()
@_verb
@click.option("--to", "target", metavar="VERSION", required=True, help="The version to roll out.")
@click.option("--wait", is_flag=True, help="Stay until it ends: 0 promoted, 1 rolled back.")
@_force
def start(service: str, target: str, wait: bool, force: bool, output: str, **where: Any) -> int:
    """Begin a rollout to a version; kept until the configuration's target next changes."""
    client = connect(**where)
    _post(client, service, "start", _said(force, to=target), output)
    return follow(looks(client, service), service, target, output) if wait else 0


@rollout.command()
@_verb
@click.option("--full", is_flag=True, help="All the way: the candidate becomes stable now.")
@_force
def promote(service: str, full: bool, force: bool, output: str, **where: Any) -> None:
    """Go on to the next step now, past a gate or a wait."""
    _post(connect(**where), service, "promote", _said(force, full=full), output)


@rollout.command()
@_verb
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes into the history.")
def pause(service: str, reason: str, output: str, **where: Any) -> None:
    """Keep the candidate's weight where it is; the guard stays on."""
    _post(connect(**where), service, "pause", {"reason": reason} if reason else {}, output)


@rollout.command()
@_verb
def resume(service: str, output: str, **where: Any) -> None:
    """Let a paused rollout go on."""
    _post(connect(**where), service, "resume", {}, output)


@rollout.command()
@_verb
@click.option("--reason", required=True, metavar="TEXT", help="Why; it goes into the history.")
def abort(service: str, reason: str, output: str, **where: Any) -> None:
    """Give everything back to the stable version now."""
    _post(connect(**where), service, "abort", {"reason": reason}, output)


@rollout.command()
@_verb
@_force
def retry(service: str, force: bool, output: str, **where: Any) -> None:
    """Try a target that was rolled back once more."""
    _post(connect(**where), service, "retry", _said(force), output)


@rollout.command()
@_verb
@click.option("--to", "target", default="", metavar="REV", help="A revision of the history, or a version [else the version before].")
@_force
def undo(service: str, target: str, force: bool, output: str, **where: Any) -> None:
    """Go back to what was stable before, or after a revision: at once soon after a promotion, else step by step."""
    _post(connect(**where), service, "undo", _said(force, to=target), output)


@rollout.command()
@_verb
def history(service: str, output: str, **where: Any) -> None:
    """Every decision, newest first, with who and why."""
    body = connect(**where).get(f"/api/v1/services/{quoted(service)}/history")
    if output == "json":
        say(output, body, "")
        return
    from proxy.cli.status_view import history_list, show

    show(history_list(body))


@rollout.command()
@_verb
def watch(service: str, output: str, **where: Any) -> int:
    """Print each change until the rollout ends: exit 0 when promoted, 1 when rolled back."""
    return follow(looks(connect(**where), service), service, "", output)


rollout.add_command(explain)


def follow(views: Iterable[dict[str, Any]], service: str, target: str, output: str) -> int:
    """Print each change of ``views`` until the service rests. 0: on what was being tried (or nothing was); 1: on something else."""
    tried, last = target, ""
    for view in views:
        tried = str(view.get("candidate") or "") or tried
        said = line(view, service)
        if said != last:
            say(output, view, said)
            last = said
        phase = view.get("phase")
        if phase == "stable":
            return 0 if tried in ("", view.get("stable")) else 1
        if phase == "rolled_back":
            return 1
    return 1


def line(view: dict[str, Any], service: str) -> str:
    """A service's state in a line."""
    phase, stable, candidate = view.get("phase", "?"), view.get("stable", "?"), view.get("candidate") or ""
    weights = view.get("weights") or {}
    said = f"{service}: {phase}, stable {stable}"
    if candidate:
        said += f", candidate {candidate} at {float(weights.get(candidate, 0)):g} %"
        said += f", step {step + 1}" if isinstance(step := view.get("step"), int) else ""
    because = view.get("waiting_for") or (view.get("reason") if phase == "rolled_back" else "")
    return f"{said}: {because}" if because else said
