"""A started proxy and a collector: spans arrive with their parents, and a collector that is dead or hangs costs no request anything."""

from __future__ import annotations

import http.client
import socket

import pytest

from proxy.clock import SystemClock
from tests.kit.collector import collector
from tests.kit.processes import Headgate, free_ports
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter", reason="headgate[tracing] is not installed")

CLOCK = SystemClock()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
REQUESTS = 50
SLOW_S = 2.0  # an export that hangs takes 5.0 s
WITHIN_S = 20.0


def traced(scene: Scene, port: int, sample: float) -> Headgate:
    shop = {"versions": versions(v1=scene.origin("v1").url), "target": "v1"}
    return scene.headgate({"shop": shop}, tracing={"otlp": f"http://127.0.0.1:{port}/v1/traces", "sample": sample})


def ask(proxy: Headgate, flags: str = "") -> int:
    """The status of a request; with ``flags`` it is part of a trace."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/", headers={"traceparent": f"00-{TRACE}-{PARENT}-{flags}"} if flags else {})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_a_span_is_a_child_of_the_client_s_and_says_which_version_answered(scene: Scene) -> None:
    with collector() as (port, spans, _):
        proxy = traced(scene, port, 0.0)
        ask(proxy, "01")
        until(lambda: spans, WITHIN_S, "a span")
        attributes = {item.key: item.value.string_value or item.value.int_value for item in spans[0].attributes}

        assert (TRACE, PARENT) == (spans[0].trace_id.hex(), spans[0].parent_span_id.hex())
        assert {"headgate.service": "shop", "headgate.version": "v1"}.items() <= attributes.items()


def test_without_a_share_only_what_clients_sampled_is_recorded(scene: Scene) -> None:
    with collector() as (port, spans, _):
        proxy = traced(scene, port, 0.0)
        for _ in range(REQUESTS):
            ask(proxy)
            ask(proxy, "00")
        ask(proxy, "01")
        proxy.child.end()

        assert [PARENT] == [span.parent_span_id.hex() for span in spans]


def test_a_share_of_requests_without_a_trace_is_recorded(scene: Scene) -> None:
    with collector() as (port, spans, _):
        proxy = traced(scene, port, 0.5)
        for _ in range(4 * REQUESTS):
            ask(proxy)
        proxy.child.end()

        assert REQUESTS < len(spans) < 3 * REQUESTS


@pytest.mark.parametrize("hangs", [False, True], ids=["dead", "hanging"])
def test_a_collector_that_does_not_answer_costs_no_request_anything(scene: Scene, hangs: bool) -> None:
    with socket.socket() as silent:
        port = free_ports(1)[0]
        if hangs:
            silent.bind(("127.0.0.1", port))
            silent.listen()
        proxy = traced(scene, port, 1.0)
        slowest = 0.0
        statuses = set()
        for _ in range(4 * REQUESTS):
            began = CLOCK.now()
            statuses.add(ask(proxy))
            slowest = max(slowest, CLOCK.now() - began)

        assert {200} == statuses
        assert slowest < SLOW_S
