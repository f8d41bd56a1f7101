"""``diff``: what a configuration would do to live traffic. Read here, compared by the running proxy, which alone knows what runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from proxy import limits
from proxy.cli.address import find
from proxy.cli.client import AdminClient
from proxy.cli.configured import say_mistakes, set_option
from proxy.cli.live import configured_admin, connection_options
from proxy.cli.output import output_option, say


@click.command()
@click.argument("file", required=False)
@click.option("--exit-code", "strict", is_flag=True, help="Exit 1 when there is any difference, as `git diff --exit-code` does.")
@set_option
@connection_options
@output_option
def diff(file: str | None, strict: bool, overrides: tuple[tuple[str, str], ...], config: str | None, output: str, **where: Any) -> int:
    """Tell what applying FILE would do to live traffic; nothing is applied.

    Routes added, removed and moved, with their requests a second now; services, versions and endpoints; rollouts that would begin or
    end. Exit 1 when the file is invalid or a reload would refuse it.

    The running proxy is found by the configuration there is (--config), or by FILE where there is no other.
    """
    from proxy.config import ConfigInvalid, discover, effective, load

    path, _ = discover(file or config, env=os.environ, cwd=Path.cwd())
    client = _running(config, str(path), **where)
    try:
        intent = load(path, env=os.environ, overrides=overrides)
    except ConfigInvalid as error:
        return say_mistakes(output, path, error)
    found = client.post("/api/v1/config/diff", effective(intent)) | {"file": str(path), "new_digest": intent.digest}
    if output == "json":
        say(output, found, "")
    else:
        from proxy.cli.diff_view import render
        from proxy.cli.status_view import show

        show(render(found))
    return 1 if found["refused"] or (strict and not found["same"]) else 0


def _running(config: str | None, path: str, admin: str | None, token_file: str | None) -> AdminClient:
    """The proxy that runs. A file that is only looked at may say that it will listen elsewhere: it is asked last."""
    found = find(admin, token_file, env=os.environ, configured=lambda: configured_admin(config) or configured_admin(path))
    return AdminClient(found, timeout_s=limits.DIFF_CALL_TIMEOUT_S)
