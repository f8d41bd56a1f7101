"""What verbs print: text for people or one JSON value for programs, on standard output; remarks go to standard error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

output_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
"""The option every verb that prints has."""


def say(output: str, value: Any, text: str) -> None:
    """Print ``value`` as JSON, or ``text``."""
    click.echo(json.dumps(value, indent=2, sort_keys=False) if output == "json" else text)


def counted(n: int, noun: str) -> str:
    """``1 route``, ``2 routes``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def remark(text: str) -> None:
    """A line for people that is not the answer."""
    click.echo(text, err=True)
