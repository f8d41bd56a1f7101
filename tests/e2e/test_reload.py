"""The configuration changes under load, through every door, and no request notices; what is broken changes nothing."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.kit.clients import Load, ask_all, get
from tests.kit.processes import Headgate, total
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

RELOADS = 200
DOORS = ("file", "signal", "api")
NEVER = 1_000_000_000


def through(door: str, proxy: Headgate, weight: int) -> None:
    """Put the split ``weight`` into the file and into effect by way of one door; the other two would lead to the same."""
    proxy.settings["services"]["shop"]["traffic"] = {"v1": 100 - weight, "v2": weight}
    proxy.write()
    if door == "signal":
        proxy.signal(signal.SIGHUP)
    elif door == "api":
        proxy.post("/-/reload")
    wanted = float(weight)
    until(lambda: proxy.service()["weights"]["v2"] == wanted, 10, lambda: f"{weight} % by {door}: {proxy.get('/api/v1/status')}")


@pytest.mark.slow
def test_200_reloads_under_load_while_weights_change_fail_no_request(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    trying = {
        "versions": versions(v1=v1.url, v2=v2.url),
        "target": "v1",
        "rollout": {"steps": [{"weight": 25, "min_requests": NEVER}]},
    }
    shop = {"versions": versions(v1=v1.url, v2=v2.url), "traffic": {"v1": 99, "v2": 1}}
    proxy = scene.headgate({"shop": shop, "trying": trying}, workers=2)
    proxy.say("start", "trying", to="v2")
    with Load(proxy.port, [get("shop"), get("shop"), get("trying")], connections=16).running() as outcome:
        for number in range(RELOADS):
            door = DOORS[number % len(DOORS)]
            through(door, proxy, 1 + (37 * number) % 99)
            if number % 20 == 19:  # the other kind of change: an operator's
                proxy.say("pause" if number % 40 == 19 else "resume", "trying")

    view, counts = proxy.service("trying"), outcome.counts()
    with capsys.disabled():
        print(
            f"\n    {RELOADS} reloads: {len(outcome.answers)} requests, {len(outcome.failures)} failed; generation {view['generation']}"
        )
    assert ([], [], {(200, "v1"), (200, "v2")}) == (outcome.failures, outcome.bad, set(counts)), counts
    assert (25.0, 0) == (view["weights"]["v2"], total(proxy.metrics(), "headgate_worker_restarts_total"))


def test_each_door_is_named_in_the_events(scene: Scene) -> None:
    origin = scene.origin("v1")
    proxy = scene.headgate({"shop": {"versions": versions(v1=origin.url, v2=origin.url), "traffic": {"v1": 99, "v2": 1}}})
    for number, door in enumerate(DOORS):
        through(door, proxy, 10 + number)

    events = [event for event in proxy.get("/api/v1/status")["events"] if event["kind"] == "reload"]
    applied = [door for event in events for door in DOORS if event["text"].startswith(f"applied ({door}")]
    assert list(DOORS) == applied, events


# Each: what is broken, the text replaced, its replacement, the key that is named, and words of the remedy.
BROKEN: list[tuple[str, str, str, str, str]] = [
    ("unknown key", "target: v1", "tarket: v1", "services.shop.tarket", "target"),
    ("indentation", "    target: v1", "   target: v1", "", "indent"),
    ("tab", "    target: v1", "\ttarget: v1", "", "tab"),
    ("quote not closed", "target: v1", "target: 'v1", "", "quote"),
    ("number for a name", "target: v1", "target: [v1]", "services.shop.target", "a name is needed"),
    ("no such version", "target: v1", "target: v9", "services.shop.target", "v1"),
    ("both target and traffic", "target: v1", "target: v1\n    traffic: {v1: 1}", "services.shop.traffic", "target"),
    ("weight over 100", "weight: 10", "weight: 120", "services.shop.rollout.steps[0].weight", "100"),
    ("unit missing", "for: 1h", "for: 60", "services.shop.rollout.steps[0].for", "s"),
    ("no such service", "service: shop", "service: shopp", "routes[0].service", "shop"),
    ("duplicate key", "target: v1", "target: v1\n    target: v1", "services.shop.target", "Keep one"),
    ("endpoint without port", "ENDPOINT", "127.0.0.1", "services.shop.versions.v1.endpoints[0]", "port"),
    ("variable not set", "target: v1", "target: ${HEADGATE_NO_SUCH}", "services.shop.target", "HEADGATE_NO_SUCH"),
    ("worker count changed", "workers: 1", "workers: 3", "", "restart"),
    ("candidate removed while it is tried", "V2", "", "services.shop.versions.v2", "abort"),
]


@pytest.fixture(scope="module")
def serving(shared_scene: Scene) -> Headgate:
    """A proxy in the middle of a rollout."""
    origin = shared_scene.origin("v1")
    shop = {
        "versions": versions(v1=origin.url, v2=origin.url),
        "target": "v1",
        "rollout": {"steps": [{"weight": 10, "for": "1h", "min_requests": NEVER}]},
    }
    proxy = shared_scene.headgate({"shop": shop}, workers=1)
    proxy.say("start", to="v2")
    return proxy


def broken(proxy: Headgate, old: str, new: str) -> str:
    """The file with one thing wrong in it."""
    endpoint = proxy.settings["services"]["shop"]["versions"]["v1"]["endpoints"][0]
    good = proxy.text()
    if old == "V2":
        old = f"      v2:\n        endpoints:\n        - {endpoint}\n"
    elif old == "ENDPOINT":
        old = endpoint
    assert old in good, good
    return good.replace(old, new, 1)


def refusal(proxy: Headgate) -> dict[str, Any]:
    """What the API says to a reload that is refused."""
    status, text = proxy.ask("POST", "/-/reload", {})
    assert status == 422, text
    refused: dict[str, Any] = json.loads(text)
    return refused


def state(proxy: Headgate) -> tuple[object, ...]:
    """All that a refused reload must leave as it is."""
    view = proxy.service()
    answers = {answer.status for answer in ask_all(proxy.port, [get()] * 20, connections=2)}
    digest = proxy.get("/api/v1/status")["digest"]
    return digest, view["phase"], view["step"], view["weights"], view["stable"], view["candidate"], view["generation"], answers


@pytest.mark.parametrize(("name", "old", "new", "key", "remedy"), BROKEN, ids=[case[0].replace(" ", "-") for case in BROKEN])
def test_a_broken_file_is_refused_with_place_and_remedy_and_the_old_one_serves_on_until_it_is_repaired(
    serving: Headgate, name: str, old: str, new: str, key: str, remedy: str
) -> None:
    before = state(serving)
    serving.write(broken(serving, old, new))
    refused = refusal(serving)
    during = state(serving)
    flag = total(serving.metrics(), "headgate_config_last_reload_successful")
    serving.write()
    serving.post("/-/reload")

    repaired = total(serving.metrics(), "headgate_config_last_reload_successful")
    assert (before, 0.0, 1.0) == (during, flag, repaired), refused
    text = json.dumps(refused)
    assert remedy in text, text
    assert key in text, text


@pytest.mark.parametrize(("name", "old", "new", "key", "remedy"), BROKEN[:13], ids=[case[0].replace(" ", "-") for case in BROKEN[:13]])
def test_a_mistake_in_the_file_is_named_by_file_line_column_and_key(
    serving: Headgate, name: str, old: str, new: str, key: str, remedy: str
) -> None:
    text = broken(serving, old, new)
    serving.write(text)
    mistakes = refusal(serving)["mistakes"]
    serving.write()
    serving.post("/-/reload")

    good, lines = serving.text().splitlines(), text.splitlines()
    first = next(number for number, (a, b) in enumerate(zip(good, lines, strict=False), 1) if a != b)
    one = next((mistake for mistake in mistakes if mistake["key"] == key), mistakes[0])
    assert (True, key) == (one["file"].endswith("headgate.yaml"), one["key"] if key else key), mistakes
    assert first <= one["line"] <= first + 2, (one, lines[first - 1])
    assert one["column"] >= 1, one
    assert remedy in one["text"], one
