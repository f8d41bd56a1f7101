"""A candidate that answers well and late is found out, by the guard and by a check, and what they stood on can be read."""

from __future__ import annotations

from typing import Any

from tests.kit.clients import Paced, get
from tests.kit.origins import OriginProcess
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

NEVER = 1_000_000_000


def late(origin: OriginProcess, seconds: float) -> None:
    """It answers well, with its body so much later."""
    pieces = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", f"{origin.version}\n"
    origin.behave(mode="say", pieces=pieces, gap_s=seconds, then="next")


def service(v1: OriginProcess, v2: OriginProcess, weight: int, **rollout: object) -> dict[str, Any]:
    return {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "rollout": {"steps": [{"weight": weight, "min_requests": NEVER}], **rollout},
    }


def test_a_candidate_that_answers_well_and_late_is_rolled_back(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    late(v2, 0.3)
    proxy = scene.headgate({"shop": service(v1, v2, 10, guard={"slow_over": "100ms"})})
    with Paced(proxy.port, [get()], rate=200).running() as outcome:
        until(lambda: len(outcome.answers) > 100, 20, "100 answers")
        proxy.say("start", to="v2")
        view = proxy.until_phase("rolled_back", 20)

    assert [] == outcome.bad
    assert view["reason"].startswith("the candidate is slow more than 3 times as often as stable"), view["reason"]
    decided = next(line for line in proxy.history() if line["kind"] == "rolling_back")
    figures = proxy.get(f"/api/v1/services/shop/history/{decided['revision']}")["figures"]
    assert (0.1, 0, True) == (
        figures["slow_over_s"],
        figures["candidate_failures"],
        figures["kinds"]["slow"]["log_evidence"] >= figures["threshold"],
    )


def test_a_check_against_stable_holds_the_rollout_and_then_rolls_it_back(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    for origin in (v1, v2):
        late(origin, 0.05)
    check = {"name": "p99-vs-stable", "metric": "latency_p99", "max_ratio": 3}
    judged = {"guard": {"slow_over": "off"}, "checks": [check], "interval": "1s", "failure_limit": 2, "failure_window": "1m"}
    proxy = scene.headgate({"shop": service(v1, v2, 50, **judged)})
    seen: list[tuple[str, str]] = []

    def result() -> str:
        checks = proxy.service()["checks"]
        word = str(checks[0]["result"]) if checks else ""
        seen.append((word, str(proxy.service()["phase"])))
        return word

    with Paced(proxy.port, [get()], rate=400).running() as outcome:
        until(lambda: len(outcome.answers) > 100, 20, "100 answers")
        proxy.say("start", to="v2")
        until(lambda: result() == "pass", 30, lambda: f"a pass once there are answers enough: {proxy.service()['checks']}")
        late(v2, 0.3)
        until(lambda: result() == "fail", 30, lambda: f"a fail: {proxy.service()['checks']}")
        view = proxy.until_phase("rolled_back", 20)

    assert ("no_data", "progressing") in seen, "too few answers hold, and are no fail"
    assert ("fail", "progressing") in seen, "a fail within the limit holds"
    assert view["reason"].startswith("check p99-vs-stable failed 3 times in 60 s: latency_p99 "), view["reason"]
    assert [] == outcome.bad
