"""What must not end a rollout does not: failures that both versions have alike, chance, silence, too few requests."""

from __future__ import annotations

import pytest

from tests.kit.clients import Load, Paced, get
from tests.kit.processes import total
from tests.kit.scene import Scene, versions
from tests.kit.waiting import for_a_while, until

NEVER = 1_000_000_000
TWINS = 20
AA_REQUESTS = 40_000
AA_ERRORS = 0.01


def service(v1: str, v2: str, **step: object) -> dict[str, object]:
    """A service about to go from one origin to the other, in one step."""
    return {"versions": versions(v1=v1, v2=v2), "target": "v1", "rollout": {"steps": [step]}}


def test_an_outage_of_both_versions_does_not_end_the_rollout(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    proxy = scene.headgate({"shop": service(v1.url, v2.url, weight=10, min_requests=NEVER)})
    proxy.say("start", to="v2")
    client = Paced(proxy.port, [get()], rate=400)
    with client.running() as outcome:
        until(lambda: len(outcome.answers) > 200, 20, "200 answers")
        v1.behave(mode="status", status=500)
        v2.behave(mode="status", status=500)
        until(lambda: outcome.counts()[500, "v2"] >= 100, 30, lambda: f"100 failures of the candidate: {outcome.counts()}")
        during = proxy.service()
        v1.behave()
        v2.behave()
        since = len(outcome.answers)
        until(lambda: len(outcome.answers) - since > 200, 20, "200 answers afterwards")

    after = proxy.service()
    assert ("progressing", "progressing") == (during["phase"], after["phase"]), proxy.history()


@pytest.mark.slow
def test_twenty_rollouts_of_the_same_version_under_1_percent_errors_are_left_alone(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    for origin in (v1, v2):
        origin.behave(error_rate=AA_ERRORS)
    names = [f"twin-{number}" for number in range(TWINS)]
    proxy = scene.headgate({name: service(v1.url, v2.url, weight=50, min_requests=NEVER) for name in names}, workers=2)
    for name in names:
        proxy.say("start", name, to="v2")
    with Load(proxy.port, [get(name) for name in names], connections=16).running() as outcome:
        until(lambda: len(outcome.answers) > AA_REQUESTS, 90, lambda: f"{AA_REQUESTS} answers: {outcome.counts()}")

    figures = proxy.metrics()
    failures = total(figures, "headgate_failures_total", version="v2")
    with capsys.disabled():
        print(
            f"\n    {TWINS} A/A rollouts: {len(outcome.answers)} requests, {failures:g} failures of candidates, all still progressing"
        )
    assert [] == outcome.failures
    assert (0, TWINS) == (
        total(figures, "headgate_rollouts_total", result="rolled_back"),
        total(figures, "headgate_rollout_phase", phase="progressing"),
    )
    assert failures > AA_REQUESTS * AA_ERRORS / 4, "the test had nothing to be wrong about"


def test_without_traffic_the_first_step_holds_and_says_what_it_waits_for(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate({"shop": service(origin.url, origin.url, weight=10, **{"for": "100ms"})})
    proxy.say("start", to="v2")

    for_a_while(lambda: proxy.service()["phase"] == "progressing", 1.5, lambda: str(proxy.service()))

    view = proxy.service()
    assert ("no candidate requests yet", 0, 10.0) == (view["waiting_for"], view["step"], view["weights"]["v2"])


def test_a_step_whose_minimum_is_not_reached_holds_says_how_much_is_missing_and_ends_when_it_is(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate({"shop": service(origin.url, origin.url, weight=50, min_requests=100)})
    proxy.say("start", to="v2")
    with Paced(proxy.port, [get()], rate=100).running() as outcome:
        until(lambda: proxy.service()["observed"]["v2"]["requests"] >= 30, 20, "30 candidate requests")
    held = proxy.service()
    for_a_while(lambda: proxy.service()["phase"] == "progressing", 0.5, lambda: str(proxy.service()))
    with Paced(proxy.port, [get()], rate=400).running() as more:
        proxy.until_phase("stable", 20)

    assert "of 100 candidate requests" in held["waiting_for"], held
    assert ([], [], "v2") == (outcome.bad, more.bad, proxy.service()["stable"])
