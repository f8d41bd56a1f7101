"""Traces of requests, taken off the request path: an exchange leaves a tuple, a thread makes spans of it and exports them with OTLP.

Facts. W3C Trace Context: ``traceparent`` is version, trace id, parent id, flags; bit 0 of the flags says that the caller records. One
that a client sent is passed on untouched, and its flag is obeyed. Where there is none it is made, sampled or not, so that the services
behind share a trace. The OpenTelemetry SDK is an extra (``headgate[tracing]``), imported by the thread: a worker starts without it.
It can lose spans, never time: the queue is bounded, and what does not fit or cannot be delivered is counted.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import threading
from collections.abc import Callable
from importlib.util import find_spec
from random import getrandbits, random
from typing import Any, NamedTuple

from proxy import limits
from proxy.clock import Clock, SystemClock
from proxy.errors import PlanRefused
from proxy.model.intent import Tracing
from proxy.wire.headers import find
from proxy.wire.request import Request

_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_KNOWN_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_LIBRARIES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Span:
    """One request's place in a trace; ids in hex. ``line`` is the field to add for the origin, or empty: the client's own goes on."""

    __slots__ = ("line", "parent_id", "sampled", "span_id", "trace_id")

    def __init__(self, trace_id: bytes, span_id: bytes, parent_id: bytes, sampled: bool, line: bytes) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.sampled = sampled
        self.line = line


class Ended(NamedTuple):
    """What the thread needs to know of a request that is over. ``start_ns`` is Unix time."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    method: bytes
    host: bytes
    path: bytes
    service: str
    version: str
    code: int
    cause: str | None
    own: str


Export = Callable[[list[Ended]], bool]
"""Delivers a batch; False when it could not be."""


class Tracer:
    """One worker's. ``span`` and ``ended`` never block."""

    def __init__(
        self,
        plan: Tracing,
        *,
        export: Callable[[str], Export] | None = None,
        chance: Callable[[], float] = random,
        clock: Clock | None = None,
    ) -> None:
        """``export`` makes what delivers to a URL; it is called in the thread."""
        self.plan = plan
        self._chance = chance
        self._clock = clock or SystemClock()
        self._dropped = 0  # by the loop
        self._undelivered = 0  # by the thread, and only that writes it
        self._told = 0  # of both
        self._queue: queue.SimpleQueue[Ended | None] = queue.SimpleQueue()
        self._export = export or _otlp
        self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
        self._thread.start()

    def span(self, request: Request | None) -> Span | None:
        """The place of a request that begins; None when its client's own field is malformed, and then it goes on unrecorded.

        A request that could not be read (None) begins a trace of its own.
        """
        given = find(request.lines, b"traceparent") if request is not None else None
        span_id = b"%016x" % (getrandbits(64) or 1)
        if given is not None:
            match = _PARENT.fullmatch(given)
            return Span(match[1], span_id, match[2], bool(int(match[3], 16) & 1), b"") if match is not None else None
        trace_id = b"%032x" % (getrandbits(128) or 1)
        sampled = self._chance() < self.plan.sample
        return Span(trace_id, span_id, b"", sampled, b"traceparent: 00-%b-%b-%b\r\n" % (trace_id, span_id, b"01" if sampled else b"00"))

    def ended(self, span: Span, request: Request | None, outcome: tuple[str, str, int, str | None, str], duration_s: float) -> None:
        """Queue a sampled request that is over, or count it as dropped. ``outcome``: service, version, code, cause, own answer."""
        if not span.sampled:
            return
        if self._queue.qsize() >= limits.TRACE_QUEUE_MAX:
            self._dropped += 1
            return
        now = int(self._clock.wall() * 1e9)
        place = span.trace_id, span.span_id, span.parent_id
        service, version, code, cause, own = outcome
        method, host, path = (b"", b"", b"") if request is None else (request.start.method, request.host, request.path)
        self._queue.put(Ended(*place, now - int(duration_s * 1e9), now, method, host, path, service, version, code, cause, own))

    def take_dropped(self) -> int:
        """Spans lost since the last call."""
        lost = self._dropped + self._undelivered
        told, self._told = self._told, lost
        return lost - told

    def retire(self) -> None:
        """Export what is queued, then stop; nobody waits for that."""
        self._queue.put(None)

    def close(self) -> None:
        """Export what is queued and stop; a collector that does not answer is waited for in bounded time."""
        self._queue.put(None)
        self._thread.join(timeout=limits.TRACE_CLOSE_S)

    def _run(self) -> None:
        deliver = self._export(self.plan.otlp)
        going = True
        while going:
            batch, going = self._batch()
            delivered = False
            with contextlib.suppress(Exception):  # whatever a collector or a library does, requests go on
                delivered = not batch or deliver(batch)
            if not delivered:
                self._undelivered += len(batch)

    def _batch(self) -> tuple[list[Ended], bool]:
        """What came within a moment of the first, and whether more will."""
        item = self._queue.get()
        batch: list[Ended] = []
        while item is not None:
            batch.append(item)
            if len(batch) >= limits.TRACE_BATCH_MAX:
                return batch, True
            try:
                item = self._queue.get(timeout=limits.TRACE_BATCH_S)
            except queue.Empty:
                return batch, True
        return batch, False


def check_tracing(plan: Tracing | None) -> None:
    """Raises PlanRefused when the plan asks for tracing and the SDK is not there."""
    if plan is not None and not all(map(_is_installed, _LIBRARIES)):
        raise PlanRefused("tracing needs the OpenTelemetry SDK: install headgate[tracing]")


def tracer_for(plan: Tracing | None, tracer: Tracer | None) -> Tracer | None:
    """The tracer that a plan asks for: the one there is, if nothing about it changes."""
    if tracer is not None and tracer.plan == plan:
        return tracer
    if tracer is not None:
        tracer.retire()
    return Tracer(plan) if plan is not None else None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent of it
        return False


def _otlp(url: str) -> Export:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExportResult

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a collector that is away is counted, not told of each second
    exporter = OTLPSpanExporter(endpoint=url, timeout=limits.TRACE_EXPORT_TIMEOUT_S)
    resource = Resource.create({"service.name": "headgate"})
    return lambda batch: exporter.export([_readable(item, resource) for item in batch]) is SpanExportResult.SUCCESS


def _readable(item: Ended, resource: Any) -> Any:
    """The SDK's span, named by the semantic conventions for HTTP servers; no query and no header value but Host is in it."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    method = item.method.decode() if item.method in _KNOWN_METHODS else "HTTP"
    trace_id = int(item.trace_id, 16)
    attributes: dict[str, Any] = {
        "http.request.method": method if method != "HTTP" else "_OTHER",
        "http.response.status_code": item.code,
        "server.address": item.host.decode(),
        "url.path": item.path.decode("latin-1"),
        "headgate.service": item.service,
        "headgate.version": item.version,
    }
    if item.own:
        attributes["headgate.own"] = item.own
    if item.cause is not None:
        attributes["error.type"] = item.cause
    flags = TraceFlags(TraceFlags.SAMPLED)
    return ReadableSpan(
        name=method,
        context=SpanContext(trace_id, int(item.span_id, 16), is_remote=False, trace_flags=flags),
        parent=SpanContext(trace_id, int(item.parent_id, 16), is_remote=True, trace_flags=flags) if item.parent_id else None,
        resource=resource,
        attributes=attributes,
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if item.cause is not None or item.code >= 500 else StatusCode.UNSET),
        start_time=item.start_ns,
        end_time=item.end_ns,
    )
