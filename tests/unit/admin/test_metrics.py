"""The metrics: names that were promised, labels that are bounded, figures that are right."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.metrics import Figures
from proxy.control.notify import RESULTS
from proxy.model.intent import Notification
from proxy.model.rollout import CAUSES
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.histogram import EXPOSED_S, bucket
from proxy.telemetry.snapshot import EndpointState, ListenerState
from tests.kit.control_bench import Bench, bench, intent, service

pytestmark = pytest.mark.asyncio

PROMISED = {
    "headgate_requests_total",
    "headgate_failures_total",
    "headgate_request_duration_seconds_bucket",
    "headgate_requests_in_flight",
    "headgate_connections",
    "headgate_retries_total",
    "headgate_fallbacks_total",
    "headgate_traffic_weight",
    "headgate_endpoint_healthy",
    "headgate_rollout_phase",
    "headgate_rollouts_total",
    "headgate_guard_evidence",
    "headgate_guard_threshold",
    "headgate_config_last_reload_successful",
    "headgate_config_last_reload_success_timestamp_seconds",
    "headgate_config_info",
    "headgate_worker_restarts_total",
    "headgate_build_info",
}


def exposition(b: Bench) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(b.control))
    return generate_latest(registry).decode()


def samples(b: Bench) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition(b))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def figure(b: Bench, metric: str, /, **labels: str) -> float:
    return samples(b)[metric, tuple(sorted(labels.items()))]


async def busy(b: Bench) -> None:
    """A rollout under way, with traffic of every kind."""
    await b.target("v2")
    cell = b.cell("v2", ok=8, bad=1)
    cell.in_flight, cell.retries, cell.fallbacks = 2, 3, 1
    endpoint = EndpointState("shop", "v2", "127.0.0.1:9001", active=2, idle=5)
    await b.report(cell, b.cell("v1", ok=91), unmatched={404: 7}, endpoints=[endpoint], downstream_connections=4)


async def test_every_metric_that_was_promised_is_there() -> None:
    async with bench() as b:
        await busy(b)

        assert set() == PROMISED - {name for name, _ in samples(b)}


async def test_requests_are_counted_by_version_and_code_and_without_a_route_by_neither() -> None:
    async with bench() as b:
        await busy(b)

        assert (91, 8, 1, 7) == (
            figure(b, "headgate_requests_total", service="shop", version="v1", code="200"),
            figure(b, "headgate_requests_total", service="shop", version="v2", code="200"),
            figure(b, "headgate_requests_total", service="shop", version="v2", code="500"),
            figure(b, "headgate_requests_total", service="", version="", code="404"),
        )


async def test_every_cause_of_failure_is_there_from_the_start() -> None:
    """A rate over a series that appears with its first failure would miss that failure."""
    async with bench() as b:
        assert [0.0] * len(CAUSES) == [figure(b, "headgate_failures_total", service="shop", version="v1", cause=c) for c in CAUSES]


async def test_the_buckets_are_those_of_the_telemetry_and_the_last_holds_all() -> None:
    async with bench() as b:
        await busy(b)
        bounds = [
            dict(labels)["le"]
            for name, labels in samples(b)
            if name == "headgate_request_duration_seconds_bucket" and dict(labels)["version"] == "v1"
        ]

        assert [f"{bound:g}" for bound in EXPOSED_S] == [f"{float(le):g}" for le in bounds if le != "+Inf"]
        assert 91 == figure(b, "headgate_request_duration_seconds_bucket", service="shop", version="v1", le="+Inf")
        assert 91 == figure(b, "headgate_request_duration_seconds_count", service="shop", version="v1")


async def test_levels_are_shown() -> None:
    async with bench() as b:
        await busy(b)

        assert (2, 2, 5, 1, 4) == (
            figure(b, "headgate_requests_in_flight", service="shop", version="v2"),
            figure(b, "headgate_connections", service="shop", version="v2", state="active"),
            figure(b, "headgate_connections", service="shop", version="v2", state="idle"),
            figure(b, "headgate_endpoint_healthy", service="shop", version="v2", endpoint="127.0.0.1:9001"),
            figure(b, "headgate_client_connections"),
        )


async def test_one_phase_is_one_and_weights_are_shares() -> None:
    async with bench() as b:
        await busy(b)
        phases = {dict(labels)["phase"]: v for (name, labels), v in samples(b).items() if name == "headgate_rollout_phase"}

        assert (7, ["progressing"]) == (len(phases), [phase for phase, value in phases.items() if value])
        assert (0.9, 0.1) == (
            figure(b, "headgate_traffic_weight", service="shop", version="v1"),
            figure(b, "headgate_traffic_weight", service="shop", version="v2"),
        )


async def test_a_rollback_is_counted_and_its_evidence_is_gone_with_it() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.report(b.cell("v2", bad=1), b.cell("v1", ok=9))
        during = "headgate_guard_evidence{" in exposition(b)
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))

        assert (True, False, 1) == (
            during,
            "headgate_guard_evidence{" in exposition(b),
            figure(b, "headgate_rollouts_total", service="shop", result="rolled_back"),
        )


async def test_a_fixed_split_has_weights_and_no_guard() -> None:
    async with bench(intent(replace(service(), target="", traffic=(("v1", 3.0), ("v2", 1.0))))) as b:
        assert 0.25 == figure(b, "headgate_traffic_weight", service="shop", version="v2")
        assert "headgate_guard_threshold{" not in exposition(b)


async def test_the_configuration_in_force_is_named_and_a_refused_one_is_seen() -> None:
    async with bench() as b:
        good = figure(b, "headgate_config_last_reload_successful")
        b.workers.refusing = {0: "no"}
        await b.target("v2")

        assert (1, 0, 1) == (good, figure(b, "headgate_config_last_reload_successful"), figure(b, "headgate_config_info", digest="d1"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
async def test_prometheus_finds_nothing_to_complain_of() -> None:
    async with bench() as b:
        await busy(b)
        text = exposition(b)

    assert (0, "") == promtool(text)


def promtool(text: str) -> tuple[int, str]:
    said = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    return said.returncode, said.stdout + said.stderr


async def test_listeners_are_shown_and_broken_certificate_files_are_told_once() -> None:
    async with bench() as b:
        for _ in range(2):
            state = ListenerState("web", connections=3, refused=1, unproven=2, tls_error="site.pem is broken", tls_expires_s=50.0)
            await b.report(listeners=[state])

        assert (3, 2, 4, 0, 50) == (
            figure(b, "headgate_listener_connections", listener="web"),
            figure(b, "headgate_listener_refused_total", listener="web"),
            figure(b, "headgate_listener_handshakes_failed_total", listener="web"),
            figure(b, "headgate_tls_files_loaded", listener="web"),
            figure(b, "headgate_tls_certificate_expiry_timestamp_seconds", listener="web"),
        )
        told = [event.text for event in b.control.events.since() if event.kind == "certificates"]
        assert ["listener web: site.pem is broken"] == told


async def test_failed_lookups_of_an_endpoint_are_counted_and_told_once() -> None:
    async with bench() as b:
        endpoint = b.control.intent.services[0].versions[0].endpoints[0].label
        for _ in range(2):
            await b.report(endpoints=[EndpointState("shop", "v1", endpoint, lookups_failed=3, lookup_error="server failure")])

        assert 6 == figure(b, "headgate_lookups_failed_total", service="shop", version="v1", endpoint=endpoint)
        told = [event.text for event in b.control.events.since() if event.kind == "lookup"]
        assert [f"version v1, endpoint {endpoint}: server failure"] == told


async def test_broken_tls_files_of_a_service_are_told_once_and_so_is_that_they_are_mended() -> None:
    async with bench() as b:
        for error in ("ca.pem is broken", "ca.pem is broken", "", ""):
            await b.report(origin_tls={"shop": error})

        told = [event.text for event in b.control.events.since() if event.kind == "certificates"]
        assert ["service shop: ca.pem is broken", "service shop: its certificate files are taken"] == told


async def test_notifications_are_counted_by_target_and_result_from_the_start() -> None:
    ops, chat = Notification("ops", "http://ops/hook"), Notification("chat", "http://chat/hook", on=("rolled_back",))
    async with bench(intent(notifications=(ops, chat))) as b:
        await b.control.outside.finish()
        told = {(n, r): figure(b, "headgate_notifications_total", name=n, result=r) for n in ("ops", "chat") for r in RESULTS}

        assert {("ops", "sent"): 1.0} == {key: count for key, count in told.items() if count}


async def test_a_switch_is_counted_with_how_long_requests_waited_for_it() -> None:
    async with bench() as b:
        holds = {bucket(0.002): 1, bucket(0.004): 1}
        seen = Cutover("shop", held=2, hold_s_max=0.004, hold_s_sum=0.006, holds=holds, old_last_s=1000.5, new_first_s=1000.75)
        b.workers.cutovers = {0: (seen,)}
        before = figure(b, "headgate_switches_total", service="shop")
        await b.control.command("shop", "switch", by="me", to="v2")

        assert (0, 1, 2, 0.006, 0.25) == (
            before,
            figure(b, "headgate_switches_total", service="shop"),
            figure(b, "headgate_switch_hold_seconds_count", service="shop"),
            figure(b, "headgate_switch_hold_seconds_sum", service="shop"),
            figure(b, "headgate_switch_gap_seconds", service="shop"),
        )
