"""Spans over a real socket, by the real SDK, read with the real protocol's definitions."""

from __future__ import annotations

import pytest

from proxy.dataplane.tracing import Tracer
from proxy.model.intent import Tracing
from proxy.wire.request import Starts, new_table, parse
from tests.kit.collector import collector

pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")


def test_a_collector_gets_the_span_with_what_is_known_of_the_request() -> None:
    with collector() as (port, spans, bodies):
        tracer = Tracer(Tracing(f"http://127.0.0.1:{port}/v1/traces", 1.0))
        request = parse(b"GET /a?token=s3cret HTTP/1.1\r\nHost: shop.example\r\n\r\n", Starts(), new_table())
        span = tracer.span(request)
        assert span is not None
        tracer.ended(span, request, ("shop", "v2", 502, "reset", "busy"), 0.25)
        tracer.close()

    (got,) = spans
    attributes = {item.key: item.value.string_value or item.value.int_value for item in got.attributes}
    assert (span.trace_id, span.span_id, 250_000_000) == (
        got.trace_id.hex().encode(),
        got.span_id.hex().encode(),
        got.end_time_unix_nano - got.start_time_unix_nano,
    )
    assert {
        "http.request.method": "GET",
        "url.path": "/a",
        "headgate.version": "v2",
        "headgate.own": "busy",
        "error.type": "reset",
    }.items() <= attributes.items()
    assert b"s3cret" not in bodies[0]
    assert 0 == tracer.take_dropped()
