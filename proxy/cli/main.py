"""The command ``headgate``: which verbs there are, and how any of them ends.

Verbs live in their own modules and are imported only when asked for, so that ``version`` and ``healthcheck`` start fast. Knows
nothing of what the verbs do. Exit codes: 0 done, 1 it did not hold, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, NoReturn

import click

from proxy.cli import INTERRUPTED
from proxy.errors import OperatorError

VERBS: dict[str, str] = {
    "run": "proxy.cli.configured",
    "validate": "proxy.cli.configured",
    "schema": "proxy.cli.configured",
    "simulate": "proxy.cli.simulate",
    "diff": "proxy.cli.diff",
    "reload": "proxy.cli.live",
    "status": "proxy.cli.live",
    "healthcheck": "proxy.cli.live",
    "rollout": "proxy.cli.rollouts",
    "switch": "proxy.cli.switching",
    "shadow": "proxy.cli.shadow",
    "demo": "proxy.cli.demo.verb",
    "version": "proxy.cli.about",
    "completion": "proxy.cli.about",
}
"""Each verb and the module that defines it under its own name, in the order of ``--help``."""


class _OnDemand(MutableMapping[str, click.Command]):
    """The verbs by name; reading one imports its module."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            command = getattr(importlib.import_module(VERBS[name]), name)
            assert isinstance(command, click.Command)
            self._loaded[name] = command
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in VERBS or name in self._loaded

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*VERBS, *self._loaded]))

    def __len__(self) -> int:
        return len({*VERBS, *self._loaded})


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is used, and turns every expected end into an exit code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = _OnDemand()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # click would sort them

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
