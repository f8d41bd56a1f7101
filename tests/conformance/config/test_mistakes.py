"""Golden cases of mistakes: each file of ``mistakes/`` begins with the mistakes it has to give (``#!``), word for word, in order.

``#set KEY=VALUE`` lines are overrides. The place is LINE:COL, or ``--set``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy.config import ConfigInvalid, load

CASES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
LIBYAML_WORDS_THEM = ("syntax_", "tab_")  # PyYAML without its C half finds the same faults in other words


def test_there_are_cases() -> None:
    assert len(CASES) > 90


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_configuration_gives_its_mistakes(case: Path) -> None:
    if case.stem.startswith(LIBYAML_WORDS_THEM) and not yaml.__with_libyaml__:
        pytest.skip("worded by libyaml")
    lines = case.read_text(encoding="utf-8").splitlines()
    wanted = [line.removeprefix("#! ") for line in lines if line.startswith("#! ")]

    with pytest.raises(ConfigInvalid) as raised:
        load(case, env={}, overrides=overrides(lines))

    assert wanted == [str(mistake).replace(f"{case}:", "") for mistake in raised.value.mistakes]


def overrides(lines: list[str]) -> list[tuple[str, str]]:
    """The ``#set`` lines of a case."""
    pairs = (line.removeprefix("#set ").partition("=") for line in lines if line.startswith("#set "))
    return [(key, value) for key, _, value in pairs]
