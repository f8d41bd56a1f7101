"""``version`` and ``completion``: what this program is. Talks to nobody."""

from __future__ import annotations

import click

from proxy import __version__
from proxy.cli.output import output_option, say


@click.command()
@output_option
def version(output: str) -> None:
    """Print the version."""
    say(output, {"version": __version__}, f"headgate {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; load it with: source <(headgate completion bash)."""
    from click.shell_completion import get_completion_class

    from proxy.cli.main import main

    script = get_completion_class(shell)
    assert script is not None, shell
    click.echo(script(main, {}, "headgate", "_HEADGATE_COMPLETE").source())
