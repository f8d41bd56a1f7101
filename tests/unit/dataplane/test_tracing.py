"""Traces: what the origin is told, what is exported, and that nobody waits for it."""

from __future__ import annotations

import re
import threading
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.clock import ManualClock
from proxy.dataplane import tracing
from proxy.dataplane.tracing import Ended, Tracer
from proxy.errors import PlanRefused
from proxy.model.intent import Tracing
from tests.kit.conversation import Conversation, plan
from tests.kit.strict_reader import read_requests

GET = b"GET /a?token=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Keeps what is exported; ``open`` is when it answers, and with what."""

    def __init__(self) -> None:
        self.spans: list[Ended] = []
        self.open = threading.Event()
        self.open.set()
        self.works = True

    def export(self, url: str) -> Any:
        def deliver(batch: list[Ended]) -> bool:
            self.open.wait()
            if not self.works:
                raise OSError("no collector")
            self.spans += batch
            return True

        return deliver


async def traced(collector: Collector, *requests: bytes, sample: float = 1.0, answer: bytes = OK) -> list[str]:
    """Send requests one after another; the traceparents that the origin got."""
    talk = Conversation()
    talk.plane.tracer = Tracer(Tracing("http://c/", sample), export=collector.export)
    got = []
    for request in requests:
        await talk.client.says(request)
        (message,) = read_requests(talk.origin_heard())
        got += message.values("traceparent")
        await talk.origin_says(answer)
    await talk.end()
    return got


@pytest.mark.asyncio
async def test_a_request_without_trace_gets_one_and_the_origin_is_its_child() -> None:
    collector = Collector()
    (line,) = await traced(collector, GET)
    (span,) = collector.spans

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", line)
    assert f"00-{span.trace_id.decode()}-{span.span_id.decode()}-01" == line
    assert (b"", "shop", "v1", 200, None) == (span.parent_id, span.service, span.version, span.code, span.cause)


@pytest.mark.asyncio
async def test_each_request_of_a_connection_has_a_trace_of_its_own() -> None:
    collector = Collector()

    assert 3 == len(set(await traced(collector, GET, GET, GET)))
    assert 3 == len(collector.spans)


@pytest.mark.asyncio
async def test_a_clients_trace_goes_on_untouched_and_the_span_joins_it() -> None:
    collector = Collector()
    got = await traced(collector, GET[:-2] + f"traceparent: {GIVEN}\r\n\r\n".encode())
    (span,) = collector.spans

    assert [GIVEN] == got
    assert GIVEN.split("-")[1:3] == [span.trace_id.decode(), span.parent_id.decode()]


@pytest.mark.parametrize("given", [GIVEN[:-1] + "0", "00-x", "ff" + GIVEN[2:], "00-" + "0" * 32 + GIVEN[35:]])
@pytest.mark.asyncio
async def test_what_the_client_does_not_record_or_has_malformed_is_not_recorded_and_goes_on(given: str) -> None:
    collector = Collector()
    got = await traced(collector, GET[:-2] + f"traceparent: {given}\r\n\r\n".encode())

    assert ([given], []) == (got, collector.spans)


@pytest.mark.asyncio
async def test_an_unsampled_request_is_told_so_and_not_exported() -> None:
    collector = Collector()
    (line,) = await traced(collector, GET, sample=0.0)

    assert line.endswith("-00")
    assert [] == collector.spans


@pytest.mark.asyncio
async def test_a_failure_is_exported_with_its_cause() -> None:
    collector = Collector()
    await traced(collector, GET, answer=b"what\r\n\r\n")

    assert [(502, "protocol")] == [(span.code, span.cause) for span in collector.spans]


@pytest.mark.asyncio
async def test_without_tracing_no_trace_is_made() -> None:
    talk = Conversation()
    await talk.client.says(GET)

    assert b"traceparent" not in talk.origin_heard()
    await talk.end()


def some(tracer: Tracer, count: int) -> None:
    from proxy.wire.request import Starts, new_table, parse

    request = parse(GET, Starts(), new_table())
    for _ in range(count):
        span = tracer.span(request)
        assert span is not None
        tracer.ended(span, request, ("shop", "v1", 200, None, ""), 0.5)


def test_spans_that_do_not_fit_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TRACE_QUEUE_MAX", 5)
    collector = Collector()
    collector.open.clear()
    tracer = Tracer(Tracing("http://c/", 1.0), export=collector.export)
    some(tracer, 2000)
    dropped = tracer.take_dropped()
    collector.open.set()
    tracer.close()

    assert dropped >= 2000 - 5 - limits.TRACE_BATCH_MAX
    assert 2000 == dropped + len(collector.spans)


def test_what_no_collector_takes_is_counted_and_the_thread_goes_on() -> None:
    collector = Collector()
    collector.works = False
    tracer = Tracer(Tracing("http://c/", 1.0), export=collector.export)
    some(tracer, 3)
    tracer.close()

    assert 3 == tracer.take_dropped()


def test_a_span_lasts_as_long_as_its_request() -> None:
    collector = Collector()
    tracer = Tracer(Tracing("http://c/", 1.0), export=collector.export, clock=ManualClock(wall=1_700_000_000.0))
    some(tracer, 1)
    tracer.close()
    (span,) = collector.spans

    assert (1_700_000_000_000_000_000, 500_000_000) == (span.end_ns, span.end_ns - span.start_ns)


@pytest.mark.asyncio
async def test_a_plan_that_wants_tracing_without_the_sdk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_LIBRARIES", ("no_such_library.at_all",))
    with pytest.raises(PlanRefused, match=r"headgate\[tracing\]"):
        Conversation(msgspec.structs.replace(plan(), tracing=Tracing("http://c/")))


@pytest.mark.asyncio
async def test_a_new_plan_keeps_the_tracer_unless_tracing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_LIBRARIES", ())
    monkeypatch.setattr(tracing, "_otlp", Collector().export)
    talk = Conversation(msgspec.structs.replace(plan(), tracing=Tracing("http://c/")))
    first = talk.plane.tracer
    talk.serve(msgspec.structs.replace(plan(), generation=2, tracing=Tracing("http://c/")))
    second = talk.plane.tracer
    talk.serve(msgspec.structs.replace(plan(), generation=3))

    assert first is second
    assert first is not None
    assert talk.plane.tracer is None
    await talk.end()
