"""The words of the demo."""

from __future__ import annotations

import io

from proxy.cli.demo.facts import Expectation
from proxy.cli.demo.telling import Telling


def told(*calls: tuple[str, object]) -> str:
    """What is written to a file that is no terminal."""
    file = io.StringIO()
    telling = Telling(file)
    for name, argument in calls:
        getattr(telling, name)(argument)
    telling.quiet()
    return file.getvalue()


def test_parts_are_numbered() -> None:
    assert ["1  first", "2  second"] == [line for line in told(("act", "first"), ("act", "second")).splitlines() if line]


def test_what_goes_on_now_is_for_terminals_only() -> None:
    assert "" == told(("now", "v2 at 5 %"))


def test_brackets_are_text_and_no_markup() -> None:
    assert "[bold] stays" in told(("line", "[bold] stays"))


def test_the_summary_names_what_failed() -> None:
    shown = told(("summary", [Expectation("fast", True, "1 ms"), Expectation("right", False, "no")]))

    assert ("held" in shown, "FAILED" in shown) == (True, True)


def test_a_command_is_not_wrapped() -> None:
    command = "curl " + "x" * 300

    assert command in told(("block", [(command, "something long")]))
