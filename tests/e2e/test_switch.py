"""Atomic switches, seen from outside: under load, with two workers, back and forth; and with everything that can go wrong in between.

``HEADGATE_SWITCHES`` is how many switches the main story makes (20 without it); with it the rarer accidents are played too, as ``make
switches`` does. Times and figures of this machine are printed, not asserted.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.clients import CLOCK, Load, Outcome, Paced, get
from tests.kit.order import Turn, disorders
from tests.kit.processes import Headgate, Settings, total
from tests.kit.scene import Scene, versions
from tests.kit.waiting import for_a_while, until

pytestmark = pytest.mark.e2e

RATE = 2_000.0
SWITCHES = int(os.environ.get("HEADGATE_SWITCHES", "20"))
LINES = 16
"""Connections at least: both workers have some, or there is no order between them to see."""
PAUSE_S = 0.2
"""Between two switches: some hundred requests on each version."""
EVENT_S = 10.0
rare = pytest.mark.skipif("HEADGATE_SWITCHES" not in os.environ, reason="`make switches` plays it")


Site = Callable[..., Headgate]
"""Starts a proxy with two workers before a v1 that is stable and a v2; it takes a tampering."""


@pytest.fixture(scope="module")
def origins(shared_scene: Scene) -> Settings:
    """Both versions, for all stories."""
    return versions(v1=shared_scene.origin("v1").url, v2=shared_scene.origin("v2").url)


@pytest.fixture
def site(scene: Scene, origins: Settings) -> Site:
    """Before those origins, a proxy of the story's own."""

    def start(tampering: str = "") -> Headgate:
        proxy = scene.headgate({"shop": {"versions": origins, "target": "v1"}}, start=False, workers=2)
        proxy.start(tampering=tampering)
        return proxy

    return start


def switch(proxy: Headgate, version: str) -> tuple[Turn, dict[str, Any]]:
    """Switch; how it went."""
    asked_at = CLOCK.now()
    view = proxy.post("/api/v1/services/shop/switch", to=version)
    return Turn(version, asked_at, CLOCK.now()), view["last_switch"]


def let_pass(seconds: float) -> None:
    """Let requests come and go."""
    for_a_while(lambda: True, seconds, "time passes")


def to_and_fro(proxy: Headgate, outcome: Outcome, switches: int) -> tuple[list[Turn], list[dict[str, Any]]]:
    """So many switches under way, with requests before and after each."""
    turns, seen = [], []
    for number in range(switches):
        before = len(outcome.answers)
        until(lambda before=before: len(outcome.answers) > before + PAUSE_S * RATE / 2, EVENT_S, "requests are answered")
        turn, figures = switch(proxy, "v1" if number % 2 else "v2")
        turns.append(turn)
        seen.append(figures)
    let_pass(PAUSE_S)
    return turns, seen


def ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f}"


def test_20_switches_under_2000_requests_a_second_are_linearizable_and_fail_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy = site()
    load = Paced(proxy.port, [get()], rate=RATE, lines=LINES)
    began = time.perf_counter()
    with load.running() as outcome:
        turns, seen = to_and_fro(proxy, outcome, SWITCHES)
    took_s = time.perf_counter() - began
    metrics = proxy.metrics()
    with capsys.disabled():
        holds = sorted(figures["hold_s_max"] for figures in seen)
        gaps = [figures["gap_s"] for figures in seen if figures["gap_s"] is not None]
        print(
            f"\n    {SWITCHES} switches, {len(outcome.answers)} requests at {len(outcome.answers) / took_s:.0f}/s: "
            f"{sum(figures['held'] for figures in seen)} waited, per switch at most {ms(holds[len(holds) // 2])} ms (median) "
            f"to {ms(holds[-1])} ms, p99 of all {ms(p99(metrics))} ms or less; old to new {ms(min(gaps, default=None))} to "
            f"{ms(max(gaps, default=None))} ms; took {ms(min(f['took_s'] for f in seen))} to {ms(max(f['took_s'] for f in seen))} ms"
        )

    assert ([], [], []) == (disorders(outcome.answers, turns), outcome.failures, outcome.bad)
    assert (SWITCHES, 0) == (
        total(metrics, "headgate_switches_total", service="shop"),
        total(metrics, "headgate_worker_restarts_total"),
    )
    assert all(gap > 0 for gap in gaps), gaps
    assert "v1" if SWITCHES % 2 == 0 else "v2" == proxy.service()["stable"]


def p99(metrics: dict[str, Any]) -> float:
    """The bucket that 99 % of all holds are within."""
    buckets = {float(dict(key)["le"]): count for key, count in metrics["headgate_switch_hold_seconds_bucket"].items()}
    return min(bound for bound, count in buckets.items() if count >= 0.99 * max(buckets.values()))


@pytest.mark.parametrize(("tampering", "orderly"), [("no_barrier", False), ("slow_commit", True)])
def test_a_worker_that_is_slow_to_commit_is_found_out_without_the_barrier_and_harmless_with_it(
    site: Site, tampering: str, orderly: bool
) -> None:
    proxy = site(tampering)
    with Paced(proxy.port, [get()], rate=RATE, lines=LINES).running() as outcome:
        turns, _ = to_and_fro(proxy, outcome, 4)

    assert (orderly, []) == (not disorders(outcome.answers, turns), outcome.failures)


def test_a_blue_green_promotion_and_its_undo_are_the_same_switch(site: Site) -> None:
    proxy = site()
    shop = proxy.settings["services"]["shop"]
    shop |= {"target": "v2", "rollout": {"strategy": "blue_green", "interval": "1s"}}
    with Paced(proxy.port, [get()], rate=RATE / 2, lines=LINES).running() as outcome:
        let_pass(PAUSE_S)
        proxy.write()
        asked_at = CLOCK.now()
        proxy.post("/-/reload")
        until(lambda: proxy.service()["stable"] == "v2", EVENT_S, "v2 is promoted")
        there = Turn("v2", asked_at, CLOCK.now())
        let_pass(PAUSE_S)
        asked_at = CLOCK.now()
        proxy.say("undo")
        back = Turn("v1", asked_at, CLOCK.now())
        let_pass(PAUSE_S)

    assert ([], [], []) == (disorders(outcome.answers, [there, back]), outcome.failures, outcome.bad)
    assert 2 == total(proxy.metrics(), "headgate_switches_total", service="shop")


def test_a_switch_while_the_proxy_drains_cuts_nothing_off(site: Site) -> None:
    """Workers that drain take orders still: a decision must not have to wait for the last request, nor kill who has it."""
    proxy = site()
    with Load(proxy.port, [get(path="/slow/2000")], connections=4).running() as outcome:
        until(lambda: total(proxy.metrics(), "headgate_requests_in_flight") == 4, EVENT_S, "all are under way")
        proxy.signal(signal.SIGTERM)
        until(lambda: not proxy.ready(), EVENT_S, "it drains")
        _, figures = switch(proxy, "v2")
        until(lambda: not proxy.child.running, EVENT_S, "it has ended")
        slow = [answer for answer in outcome.answers if answer.good]

    assert (4, 0, True) == (len(slow), proxy.child.process.returncode, figures["took_s"] < 1.0)


# ---- what can go wrong in between -----------------------------------------------------------------------------------------------


def switched_with(site: Site, tampering: str, then: Callable[[Headgate], None]) -> tuple[Headgate, Outcome, Turn]:
    """One switch to v2 under load, tampered with; ``then`` waits for what follows."""
    proxy = site(tampering)
    with Paced(proxy.port, [get()], rate=RATE / 4, lines=LINES).running() as outcome:
        let_pass(PAUSE_S)
        turn, _ = switch(proxy, "v2")
        then(proxy)
        let_pass(PAUSE_S)
    return proxy, outcome, turn


def both_serve(proxy: Headgate) -> None:
    until(lambda: len(proxy.workers()) == 2, EVENT_S, "both workers serve")


@pytest.mark.parametrize(
    "tampering", ["stop_in_hold", pytest.param("stop_before_hold", marks=rare), pytest.param("kill_in_hold", marks=rare)]
)
def test_a_worker_that_stops_or_dies_in_the_barrier_is_replaced_and_nobody_is_answered_by_the_old_version(
    site: Site, tampering: str
) -> None:
    proxy, outcome, turn = switched_with(site, tampering, both_serve)

    assert ([], "v2") == (disorders(outcome.answers, [turn]), proxy.service()["stable"])
    assert 1 == total(proxy.metrics(), "headgate_worker_restarts_total")
    assert [] == outcome.bad


@rare
@pytest.mark.parametrize("tampering", ["slow_agreement", "pause_before_hold"])
def test_a_barrier_that_somebody_was_too_slow_for_is_raised_again_and_costs_nothing(site: Site, tampering: str) -> None:
    proxy, outcome, turn = switched_with(site, tampering, both_serve)

    assert ([], [], "v2") == (disorders(outcome.answers, [turn]), outcome.failures, proxy.service()["stable"])
    assert 0 == total(proxy.metrics(), "headgate_worker_restarts_total")


@pytest.mark.parametrize(
    ("tampering", "version"), [pytest.param("die_before_agreement", "v1", marks=rare), ("die_after_agreement", "v2")]
)
def test_workers_whose_supervisor_dies_in_the_barrier_all_go_on_with_the_same_version(site: Site, tampering: str, version: str) -> None:
    """Nobody is left to tell them; they agree by the word that was, or was not, said. The next supervisor finishes the switch."""
    proxy = site(tampering)
    with Paced(proxy.port, [get()], rate=RATE / 4, lines=LINES).running() as outcome:
        let_pass(PAUSE_S)
        asked_at = CLOCK.now()
        with pytest.raises(OSError, match=r".*"):
            proxy.post("/api/v1/services/shop/switch", to="v2")
        died_at = CLOCK.now()
        let_pass(2 * PAUSE_S)
        orphaned_until = CLOCK.now()
        proxy.start()
        proxy.until_phase("stable", EVENT_S)
        let_pass(PAUSE_S)

    orphaned = {answer.body for answer in outcome.answers if died_at < answer.sent_at < orphaned_until}
    turns = [Turn(version, asked_at, died_at)]
    assert ({version}, [], []) == (orphaned, outcome.failures, outcome.bad)
    assert [] == [found for found in disorders(outcome.answers, turns) if found.late.sent_at < orphaned_until]
    assert ("v2", signal.SIGKILL) == (proxy.service()["stable"], -proxy.children[0].process.wait())
