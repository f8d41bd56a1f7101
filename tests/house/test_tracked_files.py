"""No tracked file knows the machine it was written on, or a package registry."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT, text_of, tracked_files

# The samples are written with @ for the telling character, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.~}\])*-])/(?:root|work|home/[a-z]+|Users/[a-z]+)/[\w.-]")
REGISTRIES = re.compile("|".join(name.replace("@", r"\.") for name in ("pypi@org", "pythonhosted@org", "npmjs@org", "crates@io")))


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert [] == findings(MACHINE_PATHS)


def test_no_tracked_file_names_a_package_registry() -> None:
    assert [] == findings(REGISTRIES)


@pytest.mark.parametrize("sample", ["see @root/x", 'open("@home/ann/a.yaml")', "cd @work/main", "@Users/ann/x"])
def test_a_path_of_one_machine_is_found(sample: str) -> None:
    assert MACHINE_PATHS.search(sample.replace("@", "/"))


@pytest.mark.parametrize("sample", ["http://x.example/home/ann/page", "state/work/x", "/etc/headgate/x", "/worker/1"])
def test_another_path_is_not_found(sample: str) -> None:
    assert not MACHINE_PATHS.search(sample)


def test_a_package_registry_is_found() -> None:
    assert REGISTRIES.search("https://pypi@org/simple".replace("@", "."))


def findings(pattern: re.Pattern[str]) -> list[str]:
    """``path:line: match`` over every tracked file."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in tracked_files()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if (match := pattern.search(line))
    ]
