"""What every test gets: property tests that repeat exactly, a marker for e2e by folder, unit tests without sockets."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# Derandomised: a test fails because of the change. No deadline: a loaded machine is not a failure. No database: a run
# leaves nothing behind.
settings.register_profile("suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies in tests/e2e starts real processes, marked or not."""
    for item in items:
        if (TESTS / "e2e") in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(autouse=True)
def _unit_tests_have_no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if (TESTS / "unit") in request.path.parents:

        def refuse(_sock: socket.socket, address: Any, *_rest: Any) -> None:
            raise AssertionError(f"a unit test has no sockets; {address!r} belongs in tests/integration")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket.socket, "bind", refuse)
