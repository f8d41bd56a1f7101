"""What became of copies, as metrics: counters by version that copies went to. A version that never got any has none."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from proxy.control.loop import Control

_VERSION = ["service", "version"]


def shadows(control: Control) -> Iterator[Metric]:
    """The results add up to the requests sampled, but for those in flight."""
    requests = CounterMetricFamily(
        "headgate_shadow_requests", "Copies by result: match, mismatch, error, uncompared, dropped.", labels=[*_VERSION, "result"]
    )
    sampled = CounterMetricFamily("headgate_shadow_sampled", "Requests that were to be copied.", labels=_VERSION)
    dropped = CounterMetricFamily("headgate_shadow_dropped", "Copies that were dropped, by reason.", labels=[*_VERSION, "reason"])
    in_flight = GaugeMetricFamily("headgate_shadow_in_flight", "Copies that have no result yet.", labels=_VERSION)
    mismatch = GaugeMetricFamily(
        "headgate_shadow_mismatch_rate",
        "Share of compared answers at the worst path that is neither noise nor allowed.",
        labels=_VERSION,
    )
    for (service, version), total in sorted(control.totals.shadows().items()):
        for result, count in sorted({**total.results, "dropped": sum(total.dropped.values())}.items()):
            requests.add_metric([service, version, result], count)
        for reason, count in sorted(total.dropped.items()):
            dropped.add_metric([service, version, reason], count)
        sampled.add_metric([service, version], total.sampled)
        in_flight.add_metric([service, version], total.in_flight)
    for name, summary in sorted(control.comparisons.summaries.items()):
        if summary.mismatch_rate is not None:
            mismatch.add_metric([name, summary.version], summary.mismatch_rate)
    yield from (requests, sampled, dropped, in_flight, mismatch)
