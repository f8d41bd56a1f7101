"""Blue-green on real processes: a preview that looks before everybody goes there, one moment for all workers, and the same way back."""

from __future__ import annotations

import pytest

from tests.kit.clients import CLOCK, Paced, get
from tests.kit.order import Turn, disorders
from tests.kit.origins import OriginProcess
from tests.kit.processes import Headgate
from tests.kit.scene import Scene, versions
from tests.kit.waiting import for_a_while, until

pytestmark = pytest.mark.e2e

RATE = 500.0


def previewing(scene: Scene) -> tuple[Headgate, OriginProcess]:
    """Two workers before a stable v1 and v2, which a plan looks at for a second."""
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    plan = {"strategy": "blue_green", "interval": "1s", "undo_window": "1m"}
    shop = {"versions": versions(v1=v1.url, v2=v2.url), "target": "v1", "rollout": plan}
    return scene.headgate({"shop": shop}, workers=2), v2


def test_everybody_goes_to_the_candidate_in_one_moment_and_back_in_another(scene: Scene) -> None:
    proxy, _ = previewing(scene)
    with Paced(proxy.port, [get()], rate=RATE).running() as outcome:
        until(lambda: len(outcome.answers) > RATE / 2, 10, "requests are answered")
        began = CLOCK.now()
        proxy.say("start", to="v2")
        until(lambda: proxy.service()["stable"] == "v2", 15, lambda: str(proxy.service()))
        turns = [Turn("v2", began, CLOCK.now())]
        switched = len(outcome.answers)
        until(lambda: len(outcome.answers) > switched + RATE / 2, 10, "requests go on")
        began = CLOCK.now()
        proxy.say("undo")
        turns.append(Turn("v1", began, CLOCK.now()))
        undone = len(outcome.answers)
        until(lambda: len(outcome.answers) > undone + RATE / 2, 10, "requests go on")

    assert ([], [], []) == (outcome.failures, outcome.bad, disorders(outcome.answers, turns))
    assert ["started", "promoting", "promoted", "switching", "promoted"] == [line["kind"] for line in proxy.history()][-2::-1]
    assert "v1" == proxy.service()["stable"]


def test_nobody_is_sent_to_a_candidate_that_is_not_there(scene: Scene) -> None:
    proxy, v2 = previewing(scene)
    v2.end()
    proxy.say("start", to="v2")
    until(lambda: "of v2 to be healthy" in proxy.service()["waiting_for"], 10, lambda: str(proxy.service()))

    for_a_while(lambda: proxy.service()["stable"] == "v1", 1.5, "everything went to a version that is not running")
    assert 409 == proxy.ask("POST", "/api/v1/services/shop/rollout/promote", {})[0]
