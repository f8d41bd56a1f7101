"""What the program says of itself."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from proxy import __version__
from proxy.cli.main import main


def test_version_is_the_package_s() -> None:
    assert f"headgate {__version__}\n" == CliRunner().invoke(main, ["version"], standalone_mode=False).output


def test_version_has_a_json_form() -> None:
    result = CliRunner().invoke(main, ["version", "--output", "json"], standalone_mode=False)

    assert {"version": __version__} == json.loads(result.output)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_asks_the_command_itself(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell], standalone_mode=False)

    assert f"_HEADGATE_COMPLETE={shell}_complete" in result.output


def test_completion_of_an_unknown_shell_is_wrong_usage() -> None:
    with pytest.raises(SystemExit, match="2"):
        main.main(["completion", "dos"])
