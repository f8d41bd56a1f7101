"""``rollout``: operate a rollout and wait for its end. Thin over the admin API; the controller decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from proxy.cli.client import AdminClient, Refused
from proxy.cli.explaining import explain
from proxy.cli.following import Followed, follow
from proxy.cli.live import connect, connection_options, quoted
from proxy.cli.output import output_option, remark, say
from proxy.cli.quantities import duration
from proxy.cli.watching import line


@click.group()
def rollout() -> None:
    """Operate a rollout. `start --wait` and `watch` end with 0 when promoted and 1 when rolled back."""


def _verb(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("service")(connection_options(output_option(function)))


_force = click.option(
    "--force", is_flag=True, help="Although it is frozen, or the version does not run on the present schema; it is recorded."
)


_wait = click.option("--wait", is_flag=True, help="Stay until it ends: 0 promoted, 1 rolled back.")
_timeout = click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    default="0",
    callback=duration,
    help="Exit 1 when it has not ended by then, like 30m; the rollout goes on. [else however long it takes]",
)


def _said(force: bool, **body: Any) -> dict[str, Any]:
    """A body with what was said, and no more."""
    return {key: value for key, value in body.items() if value} | ({"force": True} if force else {})


def _post(client: AdminClient, service: str, verb: str, body: dict[str, Any], output: str) -> None:
    answer = client.post(f"/api/v1/services/{quoted(service)}/rollout/{verb}", body)
    say(output, answer, line(answer, service))


def _begun(client: AdminClient, service: str, verb: str, body: dict[str, Any], output: str, *, wait: bool, timeout_s: float) -> int:
    """Say a verb that begins a rollout, or goes somewhere at once, and stay with it if that is wanted."""
    if not wait:
        _post(client, service, verb, body, output)
        return 0
    path = f"/api/v1/services/{quoted(service)}"
    view = client.post(f"{path}/rollout/{verb}", body)
    followed = Followed(str(view.get("candidate") or view.get("stable")), int(view.get("rollout") or 0))
    return follow(client, service, path, output, followed, timeout_s=timeout_s)


@rollout.command()
@_verb
@click.option("--to", "target", metavar="VERSION", required=True, help="The version to roll out.")
@_wait
@_timeout
@_force
def start(service: str, target: str, wait: bool, timeout_s: float, force: bool, output: str, **where: Any) -> int:
    """Begin a rollout to a version; kept until the configuration's target next changes.

    With --wait, a version that is stable already is done, and a rollout to it that runs already is followed: a pipeline may run twice.
    """
    client, path = connect(**where), f"/api/v1/services/{quoted(service)}"
    if not wait:
        _post(client, service, "start", _said(force, to=target), output)
        return 0
    try:
        view = client.post(f"{path}/rollout/start", _said(force, to=target))
    except Refused as refusal:
        if refusal.status != 409:
            raise
        view = client.get(path)
        if view["stable"] == target:
            return follow(client, service, path, output, Followed.already(target), timeout_s=timeout_s)
        if view["candidate"] != target or view["phase"] == "rolled_back":
            raise
        remark(f"headgate: {refusal}")
    return follow(client, service, path, output, Followed(target, int(view.get("rollout") or 0)), timeout_s=timeout_s)


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
@_wait
@_timeout
@_force
def retry(service: str, wait: bool, timeout_s: float, force: bool, output: str, **where: Any) -> int:
    """Try a target that was rolled back once more."""
    return _begun(connect(**where), service, "retry", _said(force), output, wait=wait, timeout_s=timeout_s)


@rollout.command()
@_verb
@click.option("--to", "target", default="", metavar="REV", help="A revision of the history, or a version [else the version before].")
@_wait
@_timeout
@_force
def undo(service: str, target: str, wait: bool, timeout_s: float, force: bool, output: str, **where: Any) -> int:
    """Go back to what was stable before, or after a revision: at once soon after a promotion, else step by step."""
    return _begun(connect(**where), service, "undo", _said(force, to=target), output, wait=wait, timeout_s=timeout_s)


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
@_timeout
def watch(service: str, timeout_s: float, output: str, **where: Any) -> int:
    """Stay with the rollout until it ends: exit 0 when promoted, 1 when rolled back.

    Redrawn on a terminal, else a line a change.
    """
    return follow(connect(**where), service, f"/api/v1/services/{quoted(service)}", output, Followed(), timeout_s=timeout_s)


rollout.add_command(explain)
