"""The control loop's figures as Prometheus metrics, made when scraped. Names and labels are the product's promise to dashboards.

Label values come from the configuration, from status codes and from fixed sets, so their number is bounded. Knows no HTTP.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.admin.metrics_exposure import exposure
from proxy.admin.metrics_judging import judging
from proxy.admin.metrics_shadow import shadows
from proxy.admin.views import weights
from proxy.control.loop import Control
from proxy.control.memory import ENDS
from proxy.model.position import Phase
from proxy.model.rollout import CAUSES
from proxy.telemetry.histogram import exposed

COMMIT = os.environ.get("HEADGATE_COMMIT", "unknown")
"""Set when an image is built."""

_VERSION = ["service", "version"]


class Figures(Collector):
    """The collector. Counters are since the supervisor started."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def describe(self) -> Iterable[Metric]:
        """Nothing to check at registration: there is one collector."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, from one reading of the state."""
        yield from self._requests()
        yield from self._levels()
        yield from self._rollouts()
        yield from exposure(self._control)
        yield from self._switches()
        yield from judging(self._control)
        yield from shadows(self._control)
        yield from self._configuration()
        yield from self._listeners()
        yield self._notifications()
        yield from self._own()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "headgate_requests", "Requests answered; without version: by the proxy itself.", labels=[*_VERSION, "code"]
        )
        failures = CounterMetricFamily("headgate_failures", "Failures charged to a version.", labels=[*_VERSION, "cause"])
        duration = HistogramMetricFamily(
            "headgate_request_duration_seconds",
            "From a request's head to its answer's end, 499 and own refusals left out.",
            labels=_VERSION,
        )
        retries = CounterMetricFamily("headgate_retries", "Requests sent again after a safe failure.", labels=_VERSION)
        refused = CounterMetricFamily(
            "headgate_retries_refused", "Requests not sent again because too many others were.", labels=_VERSION
        )
        fallbacks = CounterMetricFamily(
            "headgate_fallbacks", "Requests that failed on the candidate and stable answered.", labels=_VERSION
        )
        limited = CounterMetricFamily("headgate_limited", "Requests that the service's own limits refused.", labels=_VERSION)
        tunnelled = CounterMetricFamily(
            "headgate_tunnel_bytes",
            "Bytes of upgraded connections: up from clients, down from origins.",
            labels=[*_VERSION, "direction"],
        )
        for code, count in sorted(self._control.totals.unmatched.items()):
            requests.add_metric(["", "", str(code)], count)
        for service, codes in self._control.totals.own.items():
            for code, count in sorted(codes.items()):
                requests.add_metric([service, "", str(code)], count)
        for (service, version), cell in self._control.totals.cells.items():
            for code, count in sorted(cell.requests.items()):
                requests.add_metric([service, version, str(code)], count)
            for cause in CAUSES:
                failures.add_metric([service, version, cause], cell.failures.get(cause, 0))
            buckets = [(f"{bound:g}", count) for bound, count in exposed(cell.latency)]
            buckets.append(("+Inf", sum(cell.latency.values())))
            duration.add_metric([service, version], buckets, cell.latency_sum_s)
            retries.add_metric([service, version], cell.retries)
            refused.add_metric([service, version], cell.retries_refused)
            fallbacks.add_metric([service, version], cell.fallbacks)
            limited.add_metric([service, version], cell.limited)
            for direction, count in zip(("up", "down"), cell.tunnel_bytes, strict=True):
                tunnelled.add_metric([service, version, direction], count)
        yield from (requests, failures, duration, retries, refused, fallbacks, limited, tunnelled)

    def _levels(self) -> Iterator[Metric]:
        in_flight = GaugeMetricFamily("headgate_requests_in_flight", "Requests under way.", labels=_VERSION)
        for (service, version), under_way in self._control.totals.in_flight().items():
            in_flight.add_metric([service, version], under_way)
        connections = GaugeMetricFamily("headgate_connections", "Connections to origins.", labels=[*_VERSION, "state"])
        healthy = GaugeMetricFamily(
            "headgate_endpoint_healthy",
            "Whether a worker sends it requests: healthy, not ejected, not refusing.",
            labels=[*_VERSION, "endpoint"],
        )
        states: dict[tuple[str, str], list[int]] = {key: [0, 0, 0] for key in self._control.totals.cells}
        for (service, version, endpoint), level in self._control.totals.endpoints().items():
            healthy.add_metric([service, version, endpoint], int(level.healthy))
            states[service, version][0] += level.active
            states[service, version][1] += level.idle
            states[service, version][2] += level.tunnels
        lookups = CounterMetricFamily(
            "headgate_lookups_failed", "Lookups of an endpoint's host name that came to nothing.", labels=[*_VERSION, "endpoint"]
        )
        for labels, count in self._control.totals.lookups_failed.items():
            lookups.add_metric(labels, count)
        for (service, version), (active, idle, tunnels) in states.items():
            connections.add_metric([service, version, "active"], active)
            connections.add_metric([service, version, "idle"], idle)
            connections.add_metric([service, version, "tunnel"], tunnels)
        clients = GaugeMetricFamily(
            "headgate_client_connections", "Connections of clients.", value=self._control.totals.downstream_connections()
        )
        yield from (in_flight, connections, healthy, lookups, clients)

    def _rollouts(self) -> Iterator[Metric]:
        weight = GaugeMetricFamily("headgate_traffic_weight", "Share of a service's traffic wanted, 0 to 1.", labels=_VERSION)
        phase = GaugeMetricFamily("headgate_rollout_phase", "1 for the phase a service is in.", labels=["service", "phase"])
        ended = CounterMetricFamily("headgate_rollouts", "Rollouts that ended, by how.", labels=["service", "result"])
        for service in self._control.intent.services:
            standing = self._control.standings.get(service.name)
            for version, percent in weights(service, standing).items():
                weight.add_metric([service.name, version], percent / 100)
            now = standing.position.phase if standing is not None else Phase.STABLE
            for candidate in Phase:
                phase.add_metric([service.name, candidate.value], int(candidate is now))
            for result in ENDS:
                ended.add_metric([service.name, result], self._control.rollouts_ended.get((service.name, result), 0))
        yield from (weight, phase, ended)

    def _switches(self) -> Iterator[Metric]:
        switches = CounterMetricFamily("headgate_switches", "Atomic switches of a service's versions.", labels=["service"])
        holds = HistogramMetricFamily(
            "headgate_switch_hold_seconds", "How long requests waited for a switch, those that had to.", labels=["service"]
        )
        took = GaugeMetricFamily("headgate_switch_duration_seconds", "How long the last switch took.", labels=["service"])
        gap = GaugeMetricFamily(
            "headgate_switch_gap_seconds", "From the last request to the old version to the first to the new.", labels=["service"]
        )
        for name in self._control.standings:
            counts = self._control.switches.of(name)
            switches.add_metric([name], counts.count)
            buckets = [(f"{bound:g}", count) for bound, count in exposed(counts.holds)]
            buckets.append(("+Inf", sum(counts.holds.values())))
            holds.add_metric([name], buckets, counts.hold_s_sum)
            if counts.last is not None:
                took.add_metric([name], counts.last.took_s)
                if counts.last.gap_s is not None:
                    gap.add_metric([name], counts.last.gap_s)
        yield from (switches, holds, took, gap)

    def _configuration(self) -> Iterator[Metric]:
        reloading = self._control.reloading
        yield GaugeMetricFamily(
            "headgate_config_last_reload_successful", "1 when the last reload was taken.", value=int(reloading.successful)
        )
        yield GaugeMetricFamily(
            "headgate_config_last_reload_success_timestamp_seconds",
            "Unix time of the last configuration that was taken.",
            value=reloading.succeeded_at_s,
        )
        info = GaugeMetricFamily("headgate_config_info", "The configuration in force, by its SHA-256.", labels=["digest"])
        info.add_metric([self._control.intent.digest], 1)
        yield info

    def _listeners(self) -> Iterator[Metric]:
        label = ["listener"]
        connections = GaugeMetricFamily("headgate_listener_connections", "Connections of clients now.", labels=label)
        refused = CounterMetricFamily("headgate_listener_refused", "Connections over max_connections.", labels=label)
        unproven = CounterMetricFamily(
            "headgate_listener_handshakes_failed", "Connections whose TLS handshake or PROXY header failed.", labels=label
        )
        loaded = GaugeMetricFamily("headgate_tls_files_loaded", "0 while changed certificate files cannot be used.", labels=label)
        expires = GaugeMetricFamily(
            "headgate_tls_certificate_expiry_timestamp_seconds", "When the first certificate expires, Unix time.", labels=label
        )
        for name, listener in self._control.totals.listeners().items():
            connections.add_metric([name], listener.connections)
            refused.add_metric([name], listener.refused)
            unproven.add_metric([name], listener.unproven)
            if listener.tls_expires_s:
                loaded.add_metric([name], int(not listener.tls_error))
                expires.add_metric([name], listener.tls_expires_s)
        yield from (connections, refused, unproven, loaded, expires)

    def _notifications(self) -> Metric:
        told = CounterMetricFamily("headgate_notifications", "Records told to a target, by what came of it.", labels=["name", "result"])
        for name, counts in self._control.outside.notifications.items():
            for result, count in counts.items():
                told.add_metric([name, result], count)
        return told

    def _own(self) -> Iterator[Metric]:
        totals = self._control.totals
        yield CounterMetricFamily(
            "headgate_worker_restarts", "Workers that ended unasked and were started again.", value=self._control.worker_restarts
        )
        yield CounterMetricFamily(
            "headgate_reports_lost", "Workers' counts that are missing here.", value=totals.reports_lost + self._control.reports_dropped
        )
        yield CounterMetricFamily(
            "headgate_access_log_dropped",
            "Lines of the access log that did not fit or could not be written.",
            value=totals.access_log_dropped,
        )
        yield CounterMetricFamily(
            "headgate_replays_refused", "Request bodies not kept for a retry for lack of room.", value=totals.replays_refused
        )
        yield CounterMetricFamily(
            "headgate_rate_limit_keys_evicted",
            "Keys of rate limits that were forgotten before their buckets were full again.",
            value=totals.rate_keys_evicted,
        )
        yield CounterMetricFamily(
            "headgate_clients_refused", "Connections of clients that found a worker full.", value=totals.clients_refused
        )
        yield CounterMetricFamily(
            "headgate_trace_spans_dropped", "Spans that could not be queued or delivered.", value=totals.spans_dropped
        )
        build = GaugeMetricFamily("headgate_build_info", "What this program is.", labels=["version", "commit"])
        build.add_metric([__version__, COMMIT], 1)
        yield build
