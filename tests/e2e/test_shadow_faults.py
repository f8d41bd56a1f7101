"""A shadow that does everything wrong, under load: the original fails nothing, memory is bounded, and every copy is accounted for."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clients import Paced, get
from tests.kit.processes import resident_kib
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

pytestmark = pytest.mark.e2e

RATE = 400.0
REQUESTS = 400
HUGE = 100_000_000
IN_FLIGHT = 32
TIMEOUT = "500ms"
SETTLE_S = 20.0
GROWTH_KIB_MAX = 24 * 1024  # 32 answers of up to 64 KiB, connections being made and unmade, and what the allocator keeps

FAULTS: dict[str, dict[str, Any]] = {
    "hangs": {"mode": "hang"},
    "refuses": {"mode": "refuse"},
    "resets": {"mode": "reset"},
    "speaks no HTTP": {"mode": "garbage"},
    "answers 500": {"mode": "status", "status": 500},
    "answers 100 MB": {
        "mode": "say",
        "pieces": [f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n", *["x" * 65536] * 40],
        "gap_s": 0.002,
    },
    "trickles": {"mode": "say", "pieces": ["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *["x"] * 100], "gap_s": 0.05},
    "breaks off": {"mode": "say", "pieces": ["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"], "then": "reset"},
}
RESULTS = {
    "hangs": {"error"},
    "refuses": {"error"},
    "resets": {"error"},
    "speaks no HTTP": {"error"},
    "answers 500": {"mismatch"},
    "answers 100 MB": {"mismatch"},
    "trickles": {"error"},
    "breaks off": {"error"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_shadow_costs_the_original_nothing(scene: Scene, fault: str) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    shadow = {"version": "v2", "percent": 100, "timeout": TIMEOUT, "max_in_flight": IN_FLIGHT, "max_bytes": "64KiB"}
    proxy = scene.headgate({"shop": {"versions": versions(v1=v1.url, v2=v2.url), "target": "v1", "shadow": shadow}})
    v2.behave(**FAULTS[fault])
    [worker] = proxy.workers()
    before = resident_kib(worker)
    most = before
    load = Paced(proxy.port, [get(path=f"/{i}") for i in range(50)], rate=RATE)
    with load.running() as outcome:

        def enough() -> bool:
            nonlocal most
            most = max(most, resident_kib(worker))
            return len(outcome.answers) >= REQUESTS

        until(enough, SETTLE_S, lambda: f"{REQUESTS} answers; there are {len(outcome.answers)}")

    def settled() -> dict[str, Any] | None:
        proxy.metrics()  # has every worker send its counts
        copies: dict[str, Any] = proxy.get("/api/v1/services/shop/shadow")["copies"]["v2"]
        return copies if copies["sampled"] == sum(copies["results"].values()) + sum(copies["dropped"].values()) else None

    copies = until(settled, SETTLE_S, lambda: f"every copy has a result: {proxy.get('/api/v1/services/shop/shadow')['copies']}")
    assert copies is not None
    assert (outcome.failures, outcome.bad) == ([], [])
    assert copies["sampled"] == len(outcome.answers)
    assert set(copies["results"]) == RESULTS[fault]
    assert set(copies["dropped"]) <= {"in_flight", "comparer"}
    assert most - before < GROWTH_KIB_MAX
    assert proxy.service()["observed"]["v2"]["errors"] == 0
    assert proxy.service()["observed"]["v1"]["errors"] == 0


def test_a_comparer_that_is_killed_is_told_and_another_goes_on(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    shadow = {"version": "v2", "percent": 100}
    proxy = scene.headgate({"shop": {"versions": versions(v1=v1.url, v2=v2.url), "target": "v1", "shadow": shadow}})

    def comparers() -> list[int]:
        pids = Path(f"/proc/{proxy.child.pid}/task/{proxy.child.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"proxy.supervisor.comparer" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def compared() -> int:
        report = proxy.get("/api/v1/services/shop/shadow")["report"]
        return report["compared"] if report else 0

    with Paced(proxy.port, [get()], rate=100).running() as outcome:
        until(compared, SETTLE_S, lambda: "pairs are compared")
        [first] = comparers()
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in comparers() and compared(), SETTLE_S, lambda: "another compares")

    assert (outcome.failures, outcome.bad) == ([], [])
    log = proxy.child.log.read_text()
    assert "the comparer ended by SIGKILL; pairs are dropped until there is another" in log


@pytest.mark.parametrize(("allow", "ends"), [([], "shadowing"), (["body"], "stable")])
def test_a_rollouts_shadow_step_stands_on_the_comparison(scene: Scene, allow: list[str], ends: str) -> None:
    """The two origins answer their own names: a difference that holds the step until it is said to be meant."""
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    service: dict[str, Any] = {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "rollout": {"strategy": "shadow", "steps": [{"shadow": {"percent": 100, "for": "1s", "min_requests": 20}}]},
    }
    if allow:
        service["shadow"] = {"allow": allow}
    proxy = scene.headgate({"shop": service})
    with Paced(proxy.port, [get()], rate=100).running() as outcome:
        proxy.say("start", to="v2")
        if not allow:
            until(lambda: "answers differently" in proxy.service()["waiting_for"], SETTLE_S, lambda: f"it holds: {proxy.service()}")
            assert proxy.service()["phase"] == ends
            proxy.settings["services"]["shop"]["shadow"] = {"allow": ["body"]}
            proxy.write()
        until(lambda: proxy.service()["phase"] == "stable", SETTLE_S, lambda: f"it ends: {proxy.service()}")

    assert proxy.service()["stable"] == "v1"
    assert {answer.body for answer in outcome.answers} == {"v1"}
