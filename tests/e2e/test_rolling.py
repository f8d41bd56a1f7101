"""Instances replaced in their places by an operator's machinery, while clients go on asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.clients import Paced, get
from tests.kit.origins import OriginProcess
from tests.kit.processes import Headgate
from tests.kit.receiver import Receiver, Taken, receiver
from tests.kit.scene import Scene
from tests.kit.waiting import until

pytestmark = pytest.mark.e2e

RATE = 300.0
STORY_S = 40.0


class Machinery:
    """Three instances behind one proxy, and the hook that replaces them: it ends the process at an address and starts another there."""

    def __init__(self, scene: Scene, hooks: Receiver, **manners: object) -> None:
        """``manners`` are those of every instance of v2."""
        self._scene = scene
        self._manners = manners
        self.instances: dict[str, OriginProcess] = {}
        for _ in range(3):
            origin = scene.origin("v1")
            self.instances[f"127.0.0.1:{origin.port}"] = origin
        hooks.act = self._replace
        endpoints = [f"http://{label}" for label in self.instances]
        shop: dict[str, Any] = {
            "versions": {"v1": {"endpoints": endpoints}, "v2": {"endpoints": endpoints}},
            "target": "v1",
            "rollout": {
                "strategy": "rolling",
                "min_ready": "400ms",
                "slow_start": "400ms",
                "drain": "10s",
                "hooks": [{"on": "before_step", "name": "replace", "url": hooks.url, "retries": 0}],
            },
        }
        if not manners:  # else its checks fail like everything else, and it never gets a request
            shop["health"] = {"path": "/healthz", "interval": "200ms", "timeout": "1s", "unhealthy_after": 1, "healthy_after": 1}
        self.proxy: Headgate = scene.headgate({"shop": shop})

    def _replace(self, taken: Taken) -> None:
        for label in taken.json["coming"]:
            old = self.instances[label]
            old.end()
            new = self.instances[label] = self._scene.origin(taken.json["to"], old.port)
            if new.version == "v2":
                new.behave(**self._manners)

    def versions(self) -> list[str]:
        """What runs where, in the order of the endpoints."""
        return [origin.version for origin in self.instances.values()]


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def test_three_instances_are_replaced_in_their_places_and_no_request_fails(scene: Scene, hooks: Receiver) -> None:
    machinery = Machinery(scene, hooks)
    with Paced(machinery.proxy.port, [get()], rate=RATE).running() as outcome:
        until(lambda: len(outcome.answers) > RATE, 10, "requests are answered")
        machinery.proxy.say("start", to="v2")
        until(lambda: machinery.proxy.service()["stable"] == "v2", STORY_S, lambda: str(machinery.proxy.service()))
        served = len(outcome.answers)
        until(lambda: len(outcome.answers) > served + RATE, 10, "requests are answered by the new version")

    assert ([], []) == (outcome.failures, outcome.bad)
    assert ["v2", "v2", "v2"] == machinery.versions()
    assert [[label] for label in machinery.instances] == [taken.json["leaving"] for taken in hooks.taken]


def test_a_version_that_fails_goes_back_instance_by_instance(scene: Scene, hooks: Receiver) -> None:
    machinery = Machinery(scene, hooks, error_rate=1.0)
    with Paced(machinery.proxy.port, [get()], rate=RATE).running() as outcome:
        until(lambda: len(outcome.answers) > RATE, 10, "requests are answered")
        machinery.proxy.say("start", to="v2")
        machinery.proxy.until_phase("rolled_back", STORY_S)

    assert ["v1", "v1", "v1"] == machinery.versions()
    assert [("v1", "v2"), ("v2", "v1")] == [(taken.json["from"], taken.json["to"]) for taken in hooks.taken]
    assert len(outcome.bad) < RATE / 2
