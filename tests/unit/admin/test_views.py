"""What the API shows of the control loop's state."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from proxy.admin import views
from proxy.model.rollout import Check, GateStep, Hook, PrometheusQuery, RolloutPlan, WeightStep
from proxy.telemetry.cutover import Cutover
from tests.kit.control_bench import bench, intent, service

pytestmark = pytest.mark.asyncio

PROMISED = {
    "service",
    "stable",
    "candidate",
    "phase",
    "step",
    "weights",
    "observed",
    "generation",
    "waiting_for",
    "last_verdict",
}


async def test_a_service_shows_all_that_is_promised_in_every_phase() -> None:
    async with bench() as b:
        rest = views.service_view(b.control, b.control.intent.services[0])
        await b.target("v2")
        await b.report(b.cell("v2", ok=3, bad=1), b.cell("v1", ok=12))
        trying = views.service_view(b.control, b.control.intent.services[0])

        assert (set(), set()) == (PROMISED - rest.keys(), PROMISED - trying.keys())
        assert ("stable", None, None, {"v1": 100.0, "v2": 0.0}) == (rest["phase"], rest["candidate"], rest["step"], rest["weights"])
        assert ("progressing", "v2", 0, {"v1": 90.0, "v2": 10.0}) == (
            trying["phase"],
            trying["candidate"],
            trying["step"],
            trying["weights"],
        )


async def test_requests_are_since_the_start_and_rates_are_now() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.report(b.cell("v2", ok=3, bad=1), b.cell("v1", ok=12))
        b.clock.advance(60.0)
        await b.report(b.cell("v1", ok=5))
        observed = views.service_view(b.control, b.control.intent.services[0])["observed"]

        assert (4, 1, None, None, 0.0) == tuple(observed["v2"][k] for k in ("requests", "errors", "error_rate", "p99_ms", "share"))
        assert (17, 0, 0.0, 100.0) == tuple(observed["v1"][k] for k in ("requests", "errors", "error_rate", "share"))


async def test_without_requests_nothing_is_measured() -> None:
    async with bench() as b:
        observed = views.service_view(b.control, b.control.intent.services[0])["observed"]["v1"]

        assert (0, None, None, None) == (observed["requests"], observed["error_rate"], observed["p50_ms"], observed["share"])


async def test_a_fixed_split_is_shown_in_percent() -> None:
    split = replace(service(), target="", traffic=(("v1", 3.0), ("v2", 1.0)))
    async with bench(intent(split)) as b:
        view = views.service_view(b.control, split)

        assert ({"v1": 75.0, "v2": 25.0}, "stable", None, "") == (view["weights"], view["phase"], view["target"], view["waiting_for"])


async def test_status_is_json_and_says_why_it_is_not_ready() -> None:
    async with bench(up=False) as b:
        status = json.loads(msgspec.json.encode(views.status(b.control)))

        assert (False, "worker 0 of 1 does not serve generation 1 yet", [{"slot": 0, "pid": None, "serving": False}], "shop") == (
            status["ready"],
            status["unready"],
            status["workers"],
            status["services"][0]["service"],
        )


async def test_a_line_of_history_names_both_versions_of_its_rollout() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))
        lines = [views.revision_line(revision) for revision in await b.control.recall.history("shop", 10)]

        assert [("rolled_back", "v1", "v2"), ("rolling_back", "v1", "v2"), ("started", "v1", "v2"), ("first", "v1", None)] == [
            (line["kind"], line["stable"], line["candidate"]) for line in lines
        ]


async def test_urls_are_shown_without_their_secrets() -> None:
    plan = RolloutPlan(
        steps=(GateStep("remote", "https://board/ok?token=s3cret"), WeightStep(500)),
        hooks=(Hook("before_rollout", "https://ann:s3cret@ci/smoke?key=s3cret"),),
        checks=(Check("a", prometheus=PrometheusQuery("http://ann:s3cret@prom", "up"), min=1.0),),
    )
    async with bench(intent(service(rollout=plan))) as b:
        await b.target("v2")
        kept = views.revision_view("shop", await b.control.recall.revision("shop", 2))
        now = views.service_view(b.control, b.control.intent.services[0])

        assert "s3cret" not in str(kept) + str(now)
        assert ["https://ci/smoke?..."] == [hook["url"] for hook in kept["position"]["plan"]["hooks"]]


async def test_a_revision_has_every_figure_the_decision_stood_on() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))
        shown = views.revision_view("shop", await b.control.recall.revision("shop", 3))

        assert ("rolling_back", 20, True) == (
            shown["kind"],
            shown["figures"]["candidate_failures"],
            shown["figures"]["log_evidence"] >= shown["figures"]["threshold"],
        )


async def test_the_last_switch_is_shown_and_is_in_the_history_too() -> None:
    async with bench() as b:
        b.workers.cutovers = {0: (Cutover("shop", held=2, hold_s_max=0.004),)}
        b.workers.let_go = 1
        before = views.service_view(b.control, b.control.intent.services[0])["last_switch"]
        await b.control.command("shop", "switch", by="me", to="v2")
        shown = views.service_view(b.control, b.control.intent.services[0])["last_switch"]
        promoted = (await b.control.recall.history("shop", 1))[0]

        assert (None, 2, 2, 0.004, shown, "promoted") == (
            before,
            shown["tries"],
            shown["held"],
            shown["hold_s_max"],
            promoted.figures["switch"],
            promoted.kind,
        )


async def test_a_running_rollouts_checks_are_shown_with_their_latest_results() -> None:
    errors = Check("errors", metric="error_rate", max=0.1)
    async with bench(intent(service(rollout=RolloutPlan(steps=(WeightStep(1000, 60.0),), checks=(errors,), interval_s=2.0)))) as b:
        rest = views.service_view(b.control, b.control.intent.services[0])["checks"]
        await b.target("v2")
        await b.after(5, b.cell("v2", ok=20), b.cell("v1", ok=100))
        shown = views.service_view(b.control, b.control.intent.services[0])["checks"]

        assert ([], [("errors", "pass", 0.0, ["pass", "pass"])]) == (
            rest,
            [(check["name"], check["result"], check["value"], check["results"]) for check in shown],
        )
