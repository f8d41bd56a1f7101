"""Looking at the admin until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.cli.address import Found, parse
from proxy.cli.client import AdminClient
from proxy.cli.demo import watcher as watching
from proxy.cli.demo.stage import Stage
from proxy.cli.demo.watcher import Watcher
from proxy.errors import OperatorError
from tests.kit.pretended_admin import PretendedAdmin, pretended_admin


def view(percent: float, step: int = 0, phase: str = "progressing") -> dict[str, Any]:
    return {"phase": phase, "candidate": "v2", "weights": {"v2": percent}, "step": step, "waiting_for": "3 requests"}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedAdmin]:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.001)
    with pretended_admin() as running:
        yield running


@pytest.fixture
def watcher(admin: PretendedAdmin) -> Iterator[Watcher]:
    with Stage() as stage:
        yield Watcher(AdminClient(Found(parse(admin.url, why="test"))), "shop", stage)


def test_it_returns_the_first_view_that_holds(admin: PretendedAdmin, watcher: Watcher) -> None:
    admin.says("GET /api/v1/services/shop", [view(5), view(5), view(25, 1)])

    found = asyncio.run(watcher.until(lambda v: v["step"] == 1, "the second step", 10))

    assert 25 == found["weights"]["v2"]


def test_each_change_of_weight_is_remembered_once(admin: PretendedAdmin, watcher: Watcher) -> None:
    admin.says("GET /api/v1/services/shop", [view(5), view(5), view(25, 1), view(25, 1), view(0, 1, "rolled_back")])

    asyncio.run(watcher.until(lambda v: v["phase"] == "rolled_back", "the end", 10))

    assert [(5, 0), (25, 1), (0, 1)] == [(weight.percent, weight.step) for weight in watcher.weights]


def test_what_did_not_come_in_time_is_named_with_what_is_waited_for(admin: PretendedAdmin, watcher: Watcher) -> None:
    admin.says("GET /api/v1/services/shop", view(5))

    with pytest.raises(OperatorError, match=r"the end did not come within 0.05 s; phase progressing, .* waiting for 3 requests"):
        asyncio.run(watcher.until(lambda v: False, "the end", 0.05))


def test_it_is_ready_when_the_admin_says_so(admin: PretendedAdmin, watcher: Watcher) -> None:
    admin.says("GET /-/ready", b"ready", media="text/plain")

    asyncio.run(watcher.ready(10))
