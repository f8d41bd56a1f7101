"""A slower request path is caught by the budgets: measured beside HAProxy, as `.ci/run` does, with a busy loop planted in it."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from loadtest import budgets
from loadtest.compare import Options, Result, Rig
from loadtest.contenders.haproxy import HAPROXY
from loadtest.contenders.headgate import PLANE_ALONE
from loadtest.contenders.site import Contender, Launch, Site
from loadtest.scenarios import SCENARIOS
from tests.kit.processes import ROOT, program

pytestmark = pytest.mark.e2e

SCENARIO = SCENARIOS["small-get"]
PLANTED_US = 20.0  # a request; about what one costs, and what a task, a future and a log line for each would


def planted(slow_us: float) -> Contender:
    """headgate's data plane, that much slower."""

    def launch(site: Site) -> Launch:
        argv = [sys.executable, "-m", "tests.kit.slowed", str(slow_us), *map(str, (site.port, *site.origins))]
        return Launch(argv, (site.port, "/echo"), {"PYTHONPATH": str(ROOT)})

    return replace(PLANE_ALONE, name="headgate", launch=launch)


@pytest.fixture(scope="module")
def slowed() -> Result:
    for name in ("nginx", "wrk", "haproxy"):
        program(name)
    with Rig([planted(PLANTED_US), HAPROXY], pin=True, say=print) as rig:
        return rig.measure(SCENARIO, Options(rounds=2, seconds=1, attempts=1))


@pytest.fixture(scope="module")
def limits() -> list[budgets.Budget]:
    return budgets.parse(budgets.FILE.read_text(encoding="utf-8"))


def test_a_busy_loop_in_the_request_path_breaks_the_budget(slowed: Result, limits: list[budgets.Budget]) -> None:
    (outcome,) = budgets.compare(slowed, limits, ["headgate", "haproxy"])

    assert (False, True) == (outcome.holds, str(outcome).startswith("FAIL small-get: cost headgate/haproxy"))
