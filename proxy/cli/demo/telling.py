"""The words of the demo on a terminal. Decides nothing: it is told what happened, and says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from proxy.cli.demo.facts import Expectation


class Telling:
    """Lines on ``file``; on a terminal also one line that changes with what is going on now."""

    def __init__(self, file: TextIO) -> None:
        self._console = Console(file=file, highlight=False)
        self._status: Status | None = None
        self._acts = 0

    def act(self, title: str) -> None:
        """A new part of the story."""
        self._acts += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._acts}  ", "bold cyan"), (title, "bold")))

    def line(self, text: str, style: str = "") -> None:
        """Something that happened."""
        self._console.print(Padding(Text(text, style=style), (0, 0, 0, 3)))

    def now(self, text: str) -> None:
        """What is going on; shown on a terminal only, replaced by the next."""
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(Text(text, style="dim"))

    def quiet(self) -> None:
        """Nothing is going on any more."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def summary(self, expectations: Iterable[Expectation]) -> None:
        """The table at the end."""
        table = Table(title="what was promised, and what was measured", title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("promised")
        table.add_column("measured")
        for one in expectations:
            mark = Text("held", "green") if one.held else Text("FAILED", "bold red")
            table.add_row(mark, one.what, one.figure)
        self._console.print()
        self._console.print(table)

    def block(self, lines: Iterable[tuple[str, str]]) -> None:
        """Commands to try, each with what it shows; unwrapped, so that they can be copied."""
        for command, shows in lines:
            self._console.print(Text(f"   # {shows}", style="dim"))
            self._console.print(Text(f"   {command}"), soft_wrap=True)
