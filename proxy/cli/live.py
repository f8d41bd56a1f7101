"""Verbs to a running proxy: ``reload``, ``status``, ``healthcheck``. Thin over the admin API; decides nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from proxy.cli.address import Found, find
from proxy.cli.client import AdminClient, Refused
from proxy.cli.configured import config_option
from proxy.cli.output import counted, output_option, remark, say
from proxy.errors import OperatorError
from proxy.model.intent import Admin


def connection_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which running proxy is meant; the verb receives them as ``admin``, ``token_file`` and ``config``."""
    verb = config_option(verb)
    verb = click.option("--token-file", metavar="FILE", help="File with the bearer token [else $HEADGATE_TOKEN].")(verb)
    return click.option(
        "--admin",
        metavar="URL",
        help="http://HOST:PORT or unix:/PATH [else $HEADGATE_ADMIN, the configuration's admin, http://127.0.0.1:9900].",
    )(verb)


def connect(admin: str | None, token_file: str | None, config: str | None) -> AdminClient:
    """A client for the proxy those options and the environment name."""
    return AdminClient(find(admin, token_file, env=os.environ, configured=lambda: configured_admin(config)))


def configured_admin(config: str | None) -> tuple[Admin, str] | None:
    """The ``admin`` of the configuration found as ``run`` finds it; None when there is none and none was named.

    A file with mistakes elsewhere still says where its proxy is: that is when an operator needs to reach it.
    """
    from proxy.config import ConfigInvalid, discover, merge
    from proxy.config.shape import shape

    try:
        path, _ = discover(config, env=os.environ, cwd=Path.cwd())
    except OperatorError:
        if config or os.environ.get("HEADGATE_CONFIG"):
            raise
        return None
    try:
        shaped = shape(merge.read(path, env=os.environ))
    except ConfigInvalid:
        shaped = None
    if shaped is None or not shaped.whole(("admin",)):
        remark(f"headgate: the admin of {path} cannot be read (see `headgate validate`); name it with --admin")
        return None
    return Admin(*shaped.file.admin.address[:3], token_file=shaped.file.admin.token_file), f"admin of {path}"


@click.command()
@connection_options
@output_option
def reload(admin: str | None, token_file: str | None, config: str | None, output: str) -> int:
    """Apply the configuration file now. Prints the old and new digest, or every mistake and exit 1."""
    client = connect(admin, token_file, config)
    try:
        answer = client.post("/-/reload", {})
    except Refused as refusal:
        mistakes = refusal.problem.get("mistakes")
        if not isinstance(mistakes, list) or not mistakes:
            raise
        lines = [m if isinstance(m, str) else mistake_line(m) for m in mistakes]
        text = "\n".join([*lines, f"{counted(len(lines), 'mistake')}; the running configuration stays as it is"])
        say(output, refusal.problem, text)
        return 1
    say(output, answer, reload_text(answer))
    return 0


def mistake_line(mistake: dict[str, Any]) -> str:
    """One mistake of the admin API in the form ``validate`` prints."""
    place = ":".join(str(mistake.get(k, "")) for k in ("file", "line", "column"))
    return f"{place}: {mistake.get('key', '')}: {mistake.get('text', '')}"


def reload_text(answer: dict[str, Any]) -> str:
    """What a reload did, in a line."""
    old, new = str(answer.get("old_digest", "")), str(answer.get("new_digest", ""))
    if answer.get("outcome") == "unchanged" or old == new:
        return f"unchanged: digest {new[:12]}"
    return f"reloaded: digest {old[:12]} -> {new[:12]}"


@click.command()
@click.argument("service", required=False)
@click.option("--watch", is_flag=True, help="Go on until interrupted: redrawn on a terminal, else a line a change.")
@connection_options
@output_option
def status(service: str | None, watch: bool, admin: str | None, token_file: str | None, config: str | None, output: str) -> int:
    """Versions, weights wanted and measured, rates, latencies, phase, step and what a rollout waits for."""
    client = connect(admin, token_file, config)
    if not watch:
        body = look(client, service)
        if output == "json":
            say(output, body, "")
        else:
            _show(body)
        return 0
    _watch(client, service, output)
    return 0


def look(client: AdminClient, service: str | None) -> Any:
    """The API's word on one service, or on everything."""
    return client.get(f"/api/v1/services/{quoted(service)}" if service else "/api/v1/status")


def quoted(segment: str) -> str:
    """A name as one path segment."""
    from urllib.parse import quote

    return quote(segment, safe="")


def _show(body: Any) -> None:
    from proxy.cli.status_view import render, show

    show(render(body))


def _watch(client: AdminClient, service: str | None, output: str) -> None:
    """Until interrupted: a terminal is redrawn, a pipe gets a line a change. A proxy that is away for a moment is waited for."""
    from proxy.cli.following import shower
    from proxy.cli.watching import Lines, looks, screen

    with screen(output) as shown:
        lines = Lines(output)
        show = shower(client, f"/api/v1/services/{quoted(service)}", output, shown) if service else None
        for body in looks(lambda: look(client, service)):
            if show is not None:
                show(body)
            elif shown is not None:
                from proxy.cli.status_view import render

                shown.draw(render(body))
            else:
                lines.tell(body.get("services", []))


@click.command()
@click.option("--live", is_flag=True, help="Ask only whether the process answers, not whether every worker serves.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 60.0), default=2.0, show_default=True, help="Seconds.")
@connection_options
@output_option
def healthcheck(live: bool, timeout_s: float, admin: str | None, token_file: str | None, config: str | None, output: str) -> int:
    """Exit 0 when the proxy is ready, 1 when not: for container probes."""
    found: Found = connect(admin, token_file, config).found
    client = AdminClient(found, timeout_s=timeout_s)
    answer = client.raw("GET", "/-/healthy" if live else "/-/ready")
    good = answer.status == 200
    what = ("healthy" if live else "ready") if good else ("not healthy" if live else "not ready")
    detail = answer.body[:500].decode("utf-8", "replace").strip()
    text = what if good else f"{what}: status {answer.status} from {client.address}: {detail}"
    say(output, {"ok": good, "status": answer.status, "address": str(client.address)}, text)
    return 0 if good else 1
