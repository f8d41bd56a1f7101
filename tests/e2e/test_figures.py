"""What a real Prometheus reads off the proxy is what its clients have counted."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kit.clients import Load, ask_all, get
from tests.kit.processes import Headgate
from tests.kit.prometheus import Prometheus, promtool
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

REQUESTS = "sum by (service, version, code) (headgate_requests_total)"


@pytest.fixture(scope="module")
def proxy(shared_scene: Scene) -> Headgate:
    v1, v2 = shared_scene.nginx("v1"), shared_scene.nginx("v2")
    services = {"shop": {"versions": versions(v1=v1.url, v2=v2.url), "traffic": {"v1": 70, "v2": 30}}}
    return shared_scene.headgate(services, workers=2)


@pytest.fixture(scope="module")
def prometheus(shared_scene: Scene, proxy: Headgate) -> Prometheus:
    return shared_scene.prometheus(proxy)


def requests(prometheus: Prometheus) -> Counter[tuple[int, str]]:
    """Requests by code and version, as Prometheus has them now."""
    counts: Counter[tuple[int, str]] = Counter()
    for labels, value in prometheus.query(REQUESTS).items():
        named = dict(labels)  # Prometheus leaves empty labels out
        counts[int(named["code"]), named.get("version", "")] += int(value)
    return counts


def test_prometheus_counts_exactly_what_clients_counted_by_version(proxy: Headgate, prometheus: Prometheus) -> None:
    before = requests(prometheus)
    load = Load(proxy.port, connections=16)
    with load.running() as outcome:
        until(lambda: len(outcome.answers) > 20_000, 60, "20,000 answers")

    until(lambda: requests(prometheus) - before == outcome.counts(), 10, lambda: f"{requests(prometheus)}, not {outcome.counts()}")
    assert ([], {(200, "v1"), (200, "v2")}) == (outcome.failures, set(outcome.counts()))


def test_requests_without_a_route_are_counted_without_a_version(scene: Scene) -> None:
    origin = scene.origin("v1")
    routed = scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}}, start=False)
    routed.settings["routes"] = [{"match": {"path": "/only"}, "service": "shop"}]
    routed.write()
    routed.start()
    server = scene.prometheus(routed)

    ask_all(routed.port, [get(path="/only")] * 70 + [get(path="/else")] * 30, connections=2)

    until(lambda: requests(server) == {(200, "v1"): 70, (404, ""): 30}, 10, lambda: str(requests(server)))


def test_durations_are_as_many_as_requests(proxy: Headgate, prometheus: Prometheus) -> None:
    ask_all(proxy.port, [get()] * 1000)

    def same() -> bool:
        counted = prometheus.query("sum(headgate_requests_total{service='shop'}) - sum(headgate_request_duration_seconds_count)")
        return counted == {(): 0.0}

    until(same, 10, lambda: str(prometheus.query("headgate_request_duration_seconds_count")))


def test_promtool_finds_nothing_wrong_with_the_exposition(proxy: Headgate) -> None:
    assert (0, "") == promtool(proxy.ask("GET", "/metrics")[1])
