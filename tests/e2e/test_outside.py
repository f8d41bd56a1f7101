"""A rollout that speaks with what is around it: hooks, gates, a real Prometheus, and somebody who is told."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.control.messages import signature
from tests.kit.clients import Paced, get
from tests.kit.origins import OriginProcess
from tests.kit.processes import Headgate, total
from tests.kit.receiver import Receiver, receiver
from tests.kit.scene import Scene, versions
from tests.kit.waiting import CLOCK, for_a_while, until

RATE = 200.0
SMOKE = "/smoke?token=s3cret"


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def origins(shared_scene: Scene) -> tuple[OriginProcess, OriginProcess]:
    return shared_scene.origin("v1"), shared_scene.origin("v2")


class Story:
    """A shop with two versions, and a rollout as told; traffic runs while ``traffic`` does."""

    def __init__(self, scene: Scene, origins: tuple[OriginProcess, OriginProcess]) -> None:
        self._scene = scene
        self.v1, self.v2 = origins
        self.v2.behave()  # what it saw in the story before is forgotten
        self.shop: dict[str, Any] = {"versions": versions(v1=self.v1.url, v2=self.v2.url), "target": "v1"}

    def begin(self, rollout: dict[str, Any], **settings: Any) -> None:
        """Start the proxy."""
        self.shop["rollout"] = rollout
        self.proxy: Headgate = self._scene.headgate({"shop": self.shop}, **settings)

    def traffic(self) -> Paced:
        return Paced(self.proxy.port, [get()], rate=RATE)

    def reason(self, kind: str) -> str:
        """Of the latest record of that kind."""
        return next(str(line["reason"]) for line in self.proxy.history() if line["kind"] == kind)

    def kinds(self) -> list[str]:
        """Of the history, oldest first."""
        return [line["kind"] for line in self.proxy.history()][::-1]


@pytest.fixture
def story(scene: Scene, origins: tuple[OriginProcess, OriginProcess]) -> Story:
    return Story(scene, origins)


def test_a_smoke_test_that_fails_ends_the_rollout_before_anybody_has_met_the_candidate(story: Story, there: Receiver) -> None:
    there.status, there.body = 503, b"checkout: no database\n"
    hook = {"on": "before_rollout", "name": "smoke", "url": there.url + SMOKE, "retries": 0}
    story.begin({"steps": [{"weight": 50, "for": "1h"}], "hooks": [hook]})
    with story.traffic().running():
        story.proxy.say("start", to="v2")
        story.proxy.until_phase("rolled_back", 10)

        for_a_while(lambda: story.v2.seen().requests == 0, 0.5, "the candidate got a request")
    assert "hook smoke answered 503: checkout: no database" in story.reason("rolling_back")
    assert ("POST " + SMOKE, "v2", "1/0/before_rollout") == (there.lines()[0], there.taken[0].json["to"], there.taken[0].json["key"])
    assert "s3cret" not in str(story.proxy.history()) + story.proxy.child.log.read_text()


def test_a_hook_that_hangs_holds_nobody_up(story: Story, there: Receiver) -> None:
    there.mode = "hang"
    hook = {"on": "before_rollout", "url": there.url, "timeout": "60s"}
    story.begin({"steps": [{"weight": 50, "for": "1h"}], "hooks": [hook]})
    with story.traffic().running() as outcome:
        story.proxy.say("start", to="v2")
        until(lambda: there.taken, 10, "the hook is called")
        served = len(outcome.answers)
        until(lambda: len(outcome.answers) > served + 200, 10, "requests go on")
        story.proxy.say("abort", reason="took too long")
        story.proxy.until_phase("rolled_back", 5)

    assert ([], []) == (outcome.failures, outcome.bad)


def test_a_remote_gate_is_passed_when_it_says_so(story: Story, there: Receiver) -> None:
    there.status, there.body = 403, b"not yet"
    gate = {"gate": {"url": f"{there.url}/board", "interval": "200ms"}}
    story.begin({"steps": [{"weight": 20, "for": "100ms"}, gate]})
    with story.traffic().running():
        story.proxy.say("start", to="v2")
        until(lambda: len(there.taken) >= 3, 20, lambda: str(story.proxy.service()))
        waiting = story.proxy.service()
        there.status = 200
        story.proxy.until_phase("stable", 20)

    assert ("progressing", 20.0, True) == (waiting["phase"], waiting["weights"]["v2"], "answered 403" in waiting["waiting_for"])
    assert "v2" == story.proxy.service()["stable"]


def test_hooks_go_on_after_a_crash_under_the_same_key(story: Story, there: Receiver) -> None:
    there.mode = "hang"
    hook = {"on": "before_rollout", "url": there.url, "timeout": "60s"}
    story.begin({"steps": [{"weight": 50, "for": "1h"}], "hooks": [hook]})
    story.proxy.say("start", to="v2")
    until(lambda: there.taken, 10, "the hook is called")
    story.proxy.signal(9)
    there.mode = "good"
    story.proxy.start()
    until(lambda: story.proxy.service()["weights"]["v2"] == 50, 10, lambda: str(story.proxy.service()))

    assert ["1/0/before_rollout"] * 2 == [taken.json["key"] for taken in there.taken]


def test_everybody_who_wants_to_is_told_what_was_decided(scene: Scene, story: Story, there: Receiver) -> None:
    (scene.directory / "secret").write_text("s3cret\n")
    ops = {"name": "ops", "url": f"{there.url}/ops", "secret_file": str(scene.directory / "secret")}
    chat = {"name": "chat", "url": f"{there.url}/chat", "form": "slack", "on": ["rolled_back"]}
    story.begin({"steps": [{"weight": 50, "for": "1h"}]}, notifications=[ops, chat])
    story.proxy.say("start", to="v2")
    story.proxy.say("abort", reason="a <change> of mind")
    until(lambda: len(there.taken) == 5, 10, lambda: str(there.lines()))
    told = [taken for taken in there.taken if taken.line == "POST /ops"]
    said = next(taken.json["text"] for taken in there.taken if taken.line == "POST /chat")

    assert story.kinds() == [taken.json["kind"] for taken in told]
    assert said.startswith("*shop*: rolled back. no worker gives v2 a request any more: a &lt;change&gt; of mind")
    assert [True] * 4 == [
        taken.headers["x-headgate-signature"] == signature(b"s3cret", taken.headers["x-headgate-timestamp"], taken.body)
        for taken in told
    ]
    assert 5 == total(story.proxy.metrics(), "headgate_notifications_total", result="sent")
    assert "s3cret" not in story.proxy.child.log.read_text()


def test_a_target_that_hangs_delays_no_decision(story: Story, there: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty decisions, each in effect when its command is answered, with a target that takes none of them."""
    there.mode = "hang"
    ops = {"name": "ops", "url": there.url, "timeout": "60s"}
    story.begin({"steps": [{"weight": 50, "for": "1h"}]}, notifications=[ops])
    took = []
    for _ in range(10):
        for verb, body in (("start", {"to": "v2"}), ("abort", {"reason": "again"})):
            began = CLOCK.now()
            story.proxy.say(verb, **body)
            took.append(CLOCK.now() - began)
        story.proxy.until_phase("rolled_back", 5)

    with capsys.disabled():
        print(
            f"\n    {len(took)} decisions beside a target that hangs: median {statistics.median(took):.3f} s, worst {max(took):.3f} s"
        )
    assert (1, True) == (len(there.taken), max(took) < 2.0), "one is on its way, the others wait"


def test_a_rollout_holds_while_its_prometheus_is_away_and_then_goes_on(scene: Scene, story: Story) -> None:
    """The check asks a real Prometheus, which scrapes the proxy itself."""
    story.begin({}, start=False)
    prometheus = scene.prometheus(story.proxy)
    query = 'sum(rate(headgate_requests_total{service="{{service}}",version="{{candidate}}",code="200"}[10s]))'
    check = {"name": "served", "prometheus": {"address": prometheus.url, "query": query, "min": 1, "timeout": "1s"}}
    story.shop["rollout"] = {"steps": [{"weight": 50, "for": "3s"}], "checks": [check], "interval": "500ms"}
    story.proxy.write()
    story.proxy.start()

    def view() -> Any:
        return story.proxy.service()

    def result() -> Any:
        return next((check["result"] for check in view()["checks"]), None)

    with story.traffic().running():
        story.proxy.say("start", to="v2")
        until(lambda: result() == "no_data", 20, lambda: str(view()))  # nothing has been scraped of the candidate yet
        prometheus.end()
        until(lambda: result() == "error", 10, lambda: str(view()))
        until(lambda: view()["step_elapsed_s"] > 3.5, 20, lambda: str(view()))  # longer than the step would have lasted
        held = view()
        prometheus.start()
        story.proxy.until_phase("stable", 30)

    assert ("progressing", True) == (held["phase"], "Prometheus at" in held["waiting_for"]), held["waiting_for"]
    kinds = [event["kind"] for event in story.proxy.get("/api/v1/status")["events"]]
    assert (1, 1, "v2") == (kinds.count("source_down"), kinds.count("source_back"), view()["stable"])
