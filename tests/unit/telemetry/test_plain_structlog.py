"""What a process that serves does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = (
    "import sys; {first}; from proxy.telemetry.plain_structlog import structlog; "
    "print('rich.traceback' in sys.modules, structlog.__name__)"
)


@pytest.mark.parametrize(("first", "loaded"), [("pass", "False structlog"), ("import rich.traceback", "True structlog")])
def test_rich_is_loaded_by_whoever_wants_it_only(first: str, loaded: str) -> None:
    said = subprocess.run([sys.executable, "-c", PROBE.format(first=first)], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == loaded


def test_rich_can_be_imported_afterwards() -> None:
    code = "from proxy.telemetry.plain_structlog import structlog; import rich.table; print('fine')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "fine"


def test_the_supervisor_does_without() -> None:
    code = "import sys; import proxy.supervisor.main; print('rich' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "False"
