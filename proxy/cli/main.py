"""The command ``headgate``: which verbs there are, and how any of them ends.

Verbs live in their own modules and are imported only when asked for, so that ``version`` and ``healthcheck`` start fast. Knows
nothing of what the verbs do. Exit codes: 0 done, 1 it did not hold, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from proxy.errors import OperatorError

INTERRUPTED = 130  # what shells expect of a command that SIGINT ended, so that a loop around it stops too

VERBS: dict[str, str] = {
    "run": "proxy.cli.configured",
    "validate": "proxy.cli.configured",
    "schema": "proxy.cli.configured",
    "reload": "proxy.cli.live",
    "status": "proxy.cli.live",
    "healthcheck": "proxy.cli.live",
    "rollout": "proxy.cli.rollouts",
    "demo": "proxy.cli.demo.verb",
    "version": "proxy.cli.about",
    "completion": "proxy.cli.about",
}
"""Each verb and the module that defines it under its own name, in the order of ``--help``."""


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is used, and turns every expected end into an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(VERBS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def main(  # type: ignore[override]  # click overloads on standalone_mode; the entry point always ends the process
        self, args: Sequence[str] | None = None, prog_name: str | None = None, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Run a verb. Standalone: never returns; an OperatorError is one line on stderr and exit 1, Ctrl-C is silent."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        return _end(self, args, prog_name, extra)


def _end(group: Verbs, args: Sequence[str] | None, prog_name: str | None, extra: dict[str, Any]) -> NoReturn:
    try:
        code = group.main(args, prog_name or "headgate", standalone_mode=False, **extra)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except OperatorError as error:
        click.echo(f"headgate: {error}", err=True)
        sys.exit(1)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """A traffic-splitting reverse proxy that takes a bad release out by itself.

    Exit codes: 0 done; 1 it did not hold (invalid configuration, rolled back, not ready, nothing listening); 2 wrong usage.
    """
