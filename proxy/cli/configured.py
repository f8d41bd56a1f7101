"""Verbs over the configuration file: ``run``, ``validate``, ``schema``. Knows where files are found, nothing of what they mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.output import counted, output_option, say

if TYPE_CHECKING:  # the reader is imported when a file is read
    from proxy.config import ConfigInvalid

config_option = click.option(
    "--config",
    metavar="FILE",
    help="Configuration file or directory [else $HEADGATE_CONFIG, ./headgate.yaml, config/headgate.yaml, /etc/headgate/headgate.yaml].",
)


def settings(ctx: click.Context | None, param: click.Parameter | None, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``key.path=value`` texts of ``--set`` as pairs; the first ``=`` divides. click.BadParameter when there is none."""
    pairs = []
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{value!r} is not KEY=VALUE; for example: --set workers=2", ctx, param)
        pairs.append((key.strip(), text))
    return tuple(pairs)


set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    callback=settings,
    help="Put VALUE over what the file says at KEY; may be repeated.",
)


@click.command()
@config_option
@set_option
def run(config: str | None, overrides: tuple[tuple[str, str], ...]) -> int:
    """Start the proxy and serve until told to stop.

    Signals: HUP reloads; TERM and INT drain and end with 0, a second one ends at once; USR1 reopens log files.
    """
    from proxy.config import discover
    from proxy.supervisor.main import run as supervise

    path, why = discover(config, env=os.environ, cwd=Path.cwd())
    return supervise(path, why=why, overrides=overrides, env=os.environ)


@click.command()
@click.argument("file", required=False)
@config_option
@set_option
@output_option
def validate(file: str | None, config: str | None, overrides: tuple[tuple[str, str], ...], output: str) -> int:
    """Check a configuration as a reload would; nothing is started. Exit 1 and every mistake when it is not valid."""
    from proxy.config import ConfigInvalid, discover, load

    if file and config:
        raise click.UsageError("give the file once: as FILE or with --config")
    path, _ = discover(file or config, env=os.environ, cwd=Path.cwd())
    try:
        intent = load(path, env=os.environ, overrides=overrides, to_serve=True)
    except ConfigInvalid as error:
        return say_mistakes(output, path, error)
    counts = {"listeners": len(intent.listeners), "services": len(intent.services), "routes": len(intent.routes)}
    summary = ", ".join(counted(n, noun.removesuffix("s")) for noun, n in counts.items())
    say(
        output,
        {"valid": True, "file": str(path), "digest": intent.digest, **counts, "mistakes": []},
        f"valid: {summary} (digest {intent.digest[:12]}) in {path}",
    )
    return 0


def say_mistakes(output: str, path: Path, error: ConfigInvalid) -> int:
    """Print every mistake of the configuration at ``path``; returns the exit code that this is."""
    mistakes = error.mistakes
    rows = [{"file": str(m.file), "line": m.line, "column": m.column, "key": m.key, "text": m.text} for m in mistakes]
    lines = [*(str(m) for m in mistakes), counted(len(mistakes) + error.untold, "mistake")]
    say(output, {"valid": False, "file": str(path), "mistakes": rows}, "\n".join(lines))
    return 1


@click.command()
@output_option
def schema(output: str) -> None:
    """Print the JSON Schema of the configuration, for editors and linters (JSON either way)."""
    from proxy.config import json_schema

    say("json", json_schema(), "")
