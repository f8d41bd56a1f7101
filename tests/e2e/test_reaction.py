"""A candidate that turns bad takes itself out, however it is bad, and nothing else does.

Four services stand behind one proxy, each with a candidate of its own at 10 % of 200 requests a second: 800 a second in all, which is
harder for the judge than one service alone. Exposure is the time from a candidate's first failure to the last request it gets.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.kit.clients import Answer, Paced, get
from tests.kit.origins import Seen
from tests.kit.scene import Scene, versions
from tests.kit.waiting import CLOCK, until

RATE = 200.0
SHOPS = ("shop-a", "shop-b", "shop-c", "shop-d")
RUNS = 20
NEVER = 1_000_000_000
QUIET_S = 0.5  # at 20 requests a second, a candidate in rotation is silent for so long once in 20,000 looks


@dataclass
class Exposure:
    """How long, and how many requests, a candidate went on after its first failure, as it saw it and as its clients did."""

    origin_s: float
    client_s: float
    failures: int


class Stage:
    """The proxy, its origins, and traffic to all services while ``traffic`` runs."""

    def __init__(self, scene: Scene) -> None:
        self.stable = scene.origin("v1")
        self.candidates = {shop: scene.origin("v2") for shop in SHOPS}
        services = {shop: self.service(shop) for shop in SHOPS}
        self.proxy = scene.headgate(services)
        self.client = Paced(self.proxy.port, [get(shop) for shop in SHOPS], rate=RATE * len(SHOPS))

    def service(self, shop: str) -> dict[str, object]:
        return {
            "versions": versions(v1=self.stable.url, v2=self.candidates[shop].url),
            "target": "v1",
            "timeouts": {"response": "300ms"},
            "rollout": {"steps": [{"weight": 10, "for": "1h", "min_requests": NEVER}]},
        }

    def answers(self, shop: str, since: float) -> list[Answer]:
        """Of requests sent since then."""
        return [a for a in self.client.by_head[SHOPS.index(shop)] if a.sent_at >= since]

    def turn_bad(self, manners: Mapping[str, Mapping[str, object]]) -> dict[str, Exposure]:
        """Each of these services begins a rollout with a good candidate that then behaves as told, until it is out and quiet."""
        for shop in manners:
            self.candidates[shop].behave()
            if self.proxy.service(shop)["phase"] == "rolled_back":
                self.proxy.say("retry", shop)
            else:
                self.proxy.say("start", shop, to="v2")
        for shop in manners:
            until(lambda shop=shop: self.candidates[shop].seen().requests >= 10, 20, f"traffic to the candidate of {shop}")
        turned = {}
        for shop, bad in manners.items():
            turned[shop] = CLOCK.now()
            self.candidates[shop].behave(**bad)
        for shop in manners:
            self.proxy.until_phase("rolled_back", 20, shop)
        return {shop: self.exposure(shop, turned[shop]) for shop in manners}

    def exposure(self, shop: str, turned: float) -> Exposure:
        """Once nothing has come to the candidate for a while."""

        def quiet() -> Seen | None:
            seen = self.candidates[shop].seen()
            return seen if CLOCK.now() - max(seen.last_request_at, turned) > QUIET_S else None

        seen = until(quiet, 20, f"silence at the candidate of {shop}")
        failed = [a for a in self.answers(shop, turned - 5) if not a.good and a.answered_at > turned]
        first = min(a.answered_at for a in failed)
        return Exposure(
            seen.last_request_at - seen.first_failure_at if seen.failures else 0.0,
            max(0.0, max(a.sent_at for a in failed) - first),
            len(failed),
        )


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    made = Stage(shared_scene)
    with made.client.running():
        yield made


def told(name: str, exposures: list[Exposure], capsys: pytest.CaptureFixture[str]) -> None:
    """Print the figures a test stands on."""
    origin, client = sorted(e.origin_s for e in exposures), sorted(e.client_s for e in exposures)
    failures = sorted(e.failures for e in exposures)
    with capsys.disabled():
        print(
            f"\n    {name}: {len(exposures)} runs; to the last request at the origin: median {statistics.median(origin):.3f} s, worst "
            f"{origin[-1]:.3f} s; as clients see it: median {statistics.median(client):.3f} s, worst {client[-1]:.3f} s; "
            f"failures median {statistics.median(failures):g}, worst {failures[-1]}"
        )


@pytest.mark.slow
def test_a_candidate_that_answers_500_is_out_within_a_second_in_the_median_and_two_at_worst(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    exposures: list[Exposure] = []
    while len(exposures) < RUNS:
        exposures += stage.turn_bad({shop: {"mode": "status", "status": 500} for shop in SHOPS}).values()

    told("answers 500", exposures, capsys)
    spans = [max(e.origin_s, e.client_s) for e in exposures]
    assert (True, True) == (statistics.median(spans) < 1.0, max(spans) < 2.0), sorted(spans)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["refuse", "reset", "hang", "garbage"])
def test_a_candidate_that_fails_in_another_way_is_out_as_soon(stage: Stage, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    exposures = list(stage.turn_bad({shop: {"mode": mode} for shop in SHOPS}).values())

    told(mode, exposures, capsys)
    spans = [max(e.client_s, e.origin_s if mode != "hang" else 0.0) for e in exposures]
    assert (True, True) == (statistics.median(spans) < 1.0, max(spans) < 2.0), sorted(spans)


def test_every_client_request_was_answered(stage: Stage) -> None:
    assert [] == stage.client.outcome.failures
