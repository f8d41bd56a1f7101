"""Whoever stands in for the workers says what the real fleet says, word for word."""

from __future__ import annotations

import inspect

import pytest

from proxy.control.workers import Workers
from proxy.supervisor.fleet import Fleet
from tests.kit.control_bench import PretendedWorkers

ORDERS = [name for name, member in vars(Workers).items() if inspect.isfunction(member) and not name.startswith("_")]


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("kind", [Fleet, PretendedWorkers])
def test_an_order_has_the_signature_of_the_protocol(kind: type, name: str) -> None:
    assert inspect.signature(getattr(Workers, name)) == inspect.signature(getattr(kind, name))
