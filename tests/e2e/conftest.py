"""Stories get a scene of real processes; whatever they start is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """For one story."""
    made = Scene(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """For all stories of a file that leave it as they found it."""
    made = Scene(tmp_path_factory.mktemp("scene"))
    try:
        yield made
    finally:
        made.close()
