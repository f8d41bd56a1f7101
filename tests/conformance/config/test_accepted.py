"""Golden cases of what is accepted: a YAML file of ``accepted/``, or a directory, becomes the Intent in the JSON file of its name.

``#env NAME=VALUE`` and ``#set KEY=VALUE`` lines set the stage. The digest is left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from proxy.config import effective, load
from proxy.model.intent import Intent

CASES = sorted((Path(__file__).parent / "accepted").glob("*.json"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_configuration_becomes_its_intent(case: Path) -> None:
    path = case.with_suffix("") if case.with_suffix("").is_dir() else case.with_suffix(".yaml")
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    intent = load(path, env=dict(stage(lines, "#env ")), overrides=stage(lines, "#set "))

    shown = json.loads(msgspec.json.encode(intent))
    del shown["digest"]
    assert json.loads(case.read_text(encoding="utf-8")) == shown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_is_shown_of_an_intent_reads_back(case: Path, tmp_path: Path) -> None:
    intent = msgspec.convert({**json.loads(case.read_text(encoding="utf-8")), "digest": ""}, Intent)
    file = tmp_path / "shown.json"
    file.write_text(json.dumps(effective(intent)), encoding="utf-8")

    assert intent == msgspec.structs.replace(load(file, env={}), digest="")


def stage(lines: list[str], mark: str) -> list[tuple[str, str]]:
    """The lines of a case that begin with ``mark``, as pairs."""
    pairs = (line.removeprefix(mark).partition("=") for line in lines if line.startswith(mark))
    return [(key, value) for key, _, value in pairs]
