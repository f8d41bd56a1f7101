"""Processes are killed and told to stop under load: what is lost is what was in flight, and nothing is forgotten."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kit.clients import Failure, Load, Paced, get
from tests.kit.processes import Figures, Headgate, total
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import CLOCK, for_a_while, until

NEVER = 1_000_000_000
CONNECTIONS = 16
DYING_S = 0.05  # a kill takes a moment, and so does the news that a connection has ended
COUNTERS = (
    "headgate_requests_total",
    "headgate_failures_total",
    "headgate_request_duration_seconds_count",
    "headgate_worker_restarts_total",
)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asks for does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def gone_back(before: Figures, after: Figures) -> list[str]:
    """Counters that are lower than they were, or gone."""
    return [
        f"{name}{labels}: {value} -> {after.get(name, {}).get(labels)}"
        for name in COUNTERS
        for labels, value in before.get(name, {}).items()
        if after.get(name, {}).get(labels, -1.0) < value
    ]


def shop(v1: str, v2: str, *steps: dict[str, object]) -> dict[str, object]:
    """The services of a proxy with one service that has a rollout to come."""
    return {"shop": {"versions": versions(v1=v1, v2=v2), "target": "v1", "rollout": {"steps": list(steps)}}}


def told(capsys: pytest.CaptureFixture[str], text: str, failures: list[Failure], since: float) -> None:
    """Print the figures a test stands on."""
    with capsys.disabled():
        print(f"\n    {text}; {len(failures)} failed requests")
        for f in failures[:20]:
            print(f"      sent {f.sent_at - since:+.3f} s, lost {f.at - since:+.3f} s, {f.why}, after {f.answered_before} answers")


@pytest.mark.slow
def test_a_killed_worker_costs_the_requests_in_flight_in_it_and_no_more(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    v1 = scene.origin("v1")
    proxy = scene.headgate(shop(v1.url, v1.url, {"weight": 10, "min_requests": NEVER}), workers=2)
    kills: list[float] = []
    back: list[str] = []
    restarts = 0.0
    with Load(proxy.port, connections=CONNECTIONS).running() as outcome:
        until(lambda: len(outcome.answers) > 2000, 20, "2000 answers")
        for number in range(3):
            figures, failed = proxy.metrics(), len(outcome.failures)
            victim = proxy.workers()[number % 2]
            kills.append(CLOCK.now())
            os.kill(victim, signal.SIGKILL)
            until(lambda so_far=number: total(proxy.metrics(), "headgate_worker_restarts_total") > so_far, 20, "a restart")
            back += gone_back(figures, proxy.metrics())
            proxy.until_ready()
            at = len(outcome.answers)
            until(lambda at=at: len(outcome.answers) > at + 2000, 20, "2000 more answers")
            back += gone_back(figures, proxy.metrics())
            assert len(outcome.failures) - failed <= CONNECTIONS
            restarts = total(proxy.metrics(), "headgate_worker_restarts_total")

    told(capsys, f"3 workers killed under {CONNECTIONS} connections", outcome.failures, kills[0])
    later = [f for f in outcome.failures if not any(f.sent_at - DYING_S <= kill <= f.at for kill in kills)]
    assert ([], [], [], 3.0) == (later, outcome.bad, back, restarts)


@pytest.mark.slow
def test_a_supervisor_killed_in_mid_rollout_is_followed_by_one_at_the_same_step(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    proxy = scene.headgate(
        shop(v1.url, v2.url, {"weight": 10, "for": "200ms", "min_requests": 20}, {"weight": 30, "for": "1h", "min_requests": NEVER}),
        workers=2,
    )
    with Load(proxy.port, connections=CONNECTIONS, pause_s=0.005).running() as outcome:
        proxy.say("start", to="v2")
        until(lambda: proxy.service()["step"] == 1, 20, lambda: str(proxy.service()))
        before, history, orphans = proxy.service(), proxy.history(), proxy.workers()
        killed = CLOCK.now()
        proxy.signal(signal.SIGKILL)
        proxy.child.process.wait(10)
        at = len(outcome.answers)
        until(lambda: len(outcome.answers) > at + 1000, 20, "1000 answers without a supervisor")
        alone = outcome.answers[at:]
        failed_alone = list(outcome.failures)
        proxy.start()
        after, kept = proxy.service(), proxy.history()
        until(lambda: not any(alive(pid) for pid in orphans), 40, "the orphans leave")
        left = CLOCK.now()
        at = len(outcome.answers)
        until(lambda: len(outcome.answers) > at + 1000, 20, "1000 answers afterwards")

    told(capsys, f"supervisor killed; orphans gone {left - killed:.1f} s later", outcome.failures, killed)
    same = ("phase", "step", "weights", "stable", "candidate")
    assert [before[key] for key in same] == [after[key] for key in same]
    assert history == kept[-len(history) :], kept
    assert list(range(len(kept), 0, -1)) == [entry["revision"] for entry in kept]
    assert ([], {"v1", "v2"}) == (failed_alone, {answer.body for answer in alone})
    assert ([], []) == (outcome.bad, [f for f in outcome.failures if f.begun])
    assert [] == outcome.failures


def test_a_rollout_goes_on_to_its_end_after_its_supervisor_was_killed(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    proxy = scene.headgate(shop(v1.url, v2.url, {"weight": 50, "min_requests": 200}))
    with Paced(proxy.port, [get()], rate=100).running():
        proxy.say("start", to="v2")
        until(lambda: proxy.service()["observed"]["v2"]["requests"] > 20, 20, "candidate requests")
        proxy.signal(signal.SIGKILL)
        proxy.child.process.wait(10)
        proxy.start()

        assert "v2" == proxy.until_phase("stable", 30)["stable"]


def slow_requests(proxy: Headgate, ms: int, count: int) -> list[Raw]:
    """As many requests that the origin takes its time for, each sent and under way."""
    talks = [Raw(proxy.port).says(get(path=f"/slow/{ms}")) for _ in range(count)]
    until(lambda: total(proxy.metrics(), "headgate_requests_in_flight") == count, 10, f"{count} in flight")
    return talks


def test_term_lets_slow_requests_finish_refuses_new_ones_and_ends_with_0(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate(shop(origin.url, origin.url, {"weight": 10}), workers=2)
    talks = slow_requests(proxy, 1500, 6)
    proxy.signal(signal.SIGTERM)
    until(refused(proxy), 5, "new connections are refused")
    unready = proxy.ready()
    heard = [talk.hears() for talk in talks]
    code = proxy.child.process.wait(10)
    for talk in talks:
        talk.sock.close()

    whole = [h.startswith(b"HTTP/1.1 200 ") and h.endswith(b"\r\n\r\nv1\n") and b"\r\nConnection: close\r\n" in h for h in heard]
    assert ([True] * 6, 0, False) == (whole, code, unready), heard


def test_an_idle_connection_that_asks_once_more_while_draining_is_answered_and_told_to_close(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate(shop(origin.url, origin.url, {"weight": 10}))
    with Raw(proxy.port) as talk:
        talk.says(get()).hears_until(b"v1\n")
        proxy.signal(signal.SIGTERM)
        until(refused(proxy), 5, "new connections are refused")
        heard = talk.says(get()).hears()

    assert (True, True) == (heard.startswith(b"HTTP/1.1 200 "), b"\r\nConnection: close\r\n" in heard), heard


def test_a_second_term_ends_at_once(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate(shop(origin.url, origin.url, {"weight": 10}), workers=2)
    workers = proxy.workers()
    talks = slow_requests(proxy, 20_000, 3)
    proxy.signal(signal.SIGTERM)
    for_a_while(lambda: proxy.child.running, 0.3, "it waits for what is in flight")
    began = CLOCK.now()
    proxy.signal(signal.SIGTERM)
    proxy.child.process.wait(10)
    took = CLOCK.now() - began
    for talk in talks:
        talk.sock.close()

    assert ([False, False], True) == ([alive(pid) for pid in workers], took < 2.0), took


@pytest.mark.slow
def test_term_under_load_loses_no_request_that_reached_the_proxy(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate(shop(origin.url, origin.url, {"weight": 10}), workers=2)
    with Load(proxy.port, connections=CONNECTIONS, pause_s=0.002).running() as outcome:
        until(lambda: len(outcome.answers) > 1000, 20, "1000 answers")
        began = CLOCK.now()
        proxy.signal(signal.SIGTERM)
        code = proxy.child.process.wait(20)
        took = CLOCK.now() - began

    lost = [f for f in outcome.failures if not f.why.startswith("connect: ConnectionRefused")]
    told(capsys, f"TERM under load: ended with {code} in {took:.2f} s", lost, began)
    assert (0, [], []) == (code, outcome.bad, lost)


def refused(proxy: Headgate) -> Callable[[], bool]:
    """Whether a new connection is refused."""

    def try_it() -> bool:
        try:
            Raw(proxy.port).sock.close()
        except ConnectionRefusedError:
            return True
        return False

    return try_it
