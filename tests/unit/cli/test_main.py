"""How verbs are found and how they end."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from proxy.cli.main import VERBS, main
from proxy.errors import OperatorError


def end(*args: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main.main(list(args))
    code = ended.value.code
    assert isinstance(code, int)
    return code


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make the verb ``version`` raise ``error``."""

    @click.command()
    def version() -> None:
        raise error

    monkeypatch.setitem(main.commands, "version", version)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_defined_where_the_table_says(name: str) -> None:
    assert name == main.commands[name].name


def test_help_lists_every_verb_in_the_order_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    code = end("--help")

    words = [line.split()[0] for line in capsys.readouterr().out.partition("Commands:")[2].splitlines() if line.strip()]
    assert (0, list(VERBS)) == (code, [word for word in words if word in VERBS])


def test_an_unknown_verb_is_wrong_usage() -> None:
    assert 2 == end("dance")


def test_an_operator_error_is_one_line_and_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, OperatorError("no such file"))

    assert (1, "headgate: no such file\n") == (end("version"), capsys.readouterr().err)


def test_an_interrupt_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())

    assert (130, "") == (end("version"), capsys.readouterr().err.strip())


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, BrokenPipeError(32, "broken pipe"))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)

    assert (1, "") == (end("version"), capsys.readouterr().err)


def test_a_bug_of_ours_is_not_caught_for_show(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, AssertionError("ours"))

    with pytest.raises(AssertionError, match="ours"):
        main.main(["version"])


def test_version_imports_none_of_the_heavy_libraries() -> None:
    heavy = "{'yaml', 'pydantic', 'aiohttp', 'rich', 'uvloop', 'sqlite3', 'asyncio'}"
    code = (
        "import sys\nfrom proxy.cli.main import main\n"
        f"try: main(['version'])\nexcept SystemExit: print(sorted({heavy} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True).stdout

    assert "[]" == out.splitlines()[-1]
