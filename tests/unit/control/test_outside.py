"""The loop asks, tells and hears without ever waiting: what is outside may hang, and decisions go on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.clock import ManualClock
from proxy.control.calling import Answer
from proxy.control.events import LoopEvent, RecentEvents, Unable
from proxy.control.explanation import rollout_of
from proxy.control.outside import Outside
from proxy.model.intent import Notification
from proxy.model.position import Phase, Position
from proxy.model.rollout import Check, GateStep, Hook, HttpQuery, PrometheusQuery, RolloutPlan, WeightStep
from proxy.rollout.events import Heard
from proxy.rollout.machine import fingerprint
from proxy.tasks import TaskGroup
from tests.kit.control_bench import PLAN, Bench, bench, intent, service, version
from tests.kit.outside import PretendedClient, turns

pytestmark = pytest.mark.asyncio

OPS = Notification("ops", "http://ops/hook")
ASKING = RolloutPlan(
    steps=(GateStep("remote", "http://board/ok"), WeightStep(5000, for_s=60.0)),
    hooks=(Hook("before_rollout", "http://ci/smoke", retries=0), Hook("after_rollback", "http://ci/gone", retries=0)),
)
WAITING = Position(
    "shop",
    stable="v1",
    phase=Phase.PROGRESSING,
    candidate="v2",
    target="v2",
    configured="v2",
    fingerprint=fingerprint(version("v2", 9001)),
    plan=ASKING,
    rollout=3,
    asking="3/0/before_rollout",
)


async def test_every_decision_is_told_with_its_number_in_the_history() -> None:
    async with bench(intent(notifications=(OPS,))) as b:
        await b.target("v2")
        await turns()
        kinds = {call.json["revision"]: call.json["kind"] for call in b.client.calls}

        assert {revision.revision: revision.kind for revision in b.store.history("shop", 9)} == kinds


async def test_a_target_that_hangs_delays_no_decision() -> None:
    async with bench(intent(notifications=(OPS,))) as b:
        b.client.answers["http://ops/hook"] = [None]
        before = b.clock.now()
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))

        assert (Phase.ROLLED_BACK, {"v1": 10_000}, 0.0, 1) == (
            b.position().phase,
            b.weights(),
            b.clock.now() - before,
            b.client.hanging,
        )


async def test_a_reload_changes_whom_decisions_are_told() -> None:
    async with bench() as b:
        b.file = intent(notifications=(OPS,))
        await b.target("v2")
        await turns()

        assert ["started"] == [call.json["kind"] for call in b.client.calls]


async def test_a_reload_that_is_refused_changes_nothing_there() -> None:
    async with bench() as b:
        b.file = intent(notifications=(OPS,))
        b.store.broken = "disk full"
        await b.target("v2")

        assert {} == b.control.outside.notifications


async def test_what_was_asked_before_a_crash_is_asked_again() -> None:
    async with bench(intent(service("v2", rollout=ASKING)), {"shop": (WAITING, None)}) as b:
        await turns()

        assert ("http://ci/smoke", "3/0/before_rollout") == (b.client.calls[0].url, b.client.calls[0].json["key"])


async def test_hooks_that_are_told_of_an_end_may_answer_when_the_next_rollout_runs() -> None:
    hook = Hook("after_rollback", "http://ci/gone", retries=0)
    async with bench(intent(service(rollout=replace(PLAN, hooks=(hook,))))) as b:
        b.client.answers["http://ci/gone"] = [None]
        await b.target("v2")
        await b.control.command("shop", "abort", by="ann", reason="no")
        await turns()
        await b.control.command("shop", "retry", by="ann")
        heard = Heard(key="1/0/after_rollback", ok=False, reason="hook http://ci/gone answered 500")
        await b.control._decisions.hear("shop", heard)
        kept = b.store.history("shop", 1)[0]

        assert ("hook", "hook http://ci/gone answered 500", False) == (kept.kind, kept.reason, kept.figures["ok"])
        assert 1 == rollout_of(kept), "it is in the story of another rollout"
        assert (Phase.PROGRESSING, 2) == (b.position().phase, b.position().rollout)


async def test_an_answer_that_cannot_be_kept_is_acted_on_when_it_can_be() -> None:
    async with bench(intent(service("v2", rollout=ASKING)), {"shop": (WAITING, None)}, up=False) as b:
        b.client.answers["http://ci/smoke"] = [None]
        b.store.broken = "disk full"
        heard = Heard(key=WAITING.asking, ok=False, reason="hook smoke answered 503")
        now = await b.control._decisions.hear("shop", heard), b.position().phase
        b.store.broken = ""
        later = await b.control._decisions.hear("shop", heard), b.position().phase

        assert ((False, Phase.PROGRESSING), (True, Phase.ROLLED_BACK)) == (now, later)


async def test_a_service_that_comes_back_asks_what_it_was_waiting_for() -> None:
    both = intent(service("v2", rollout=ASKING), service("v1", name="cart"))
    async with bench(intent(service("v1", name="cart")), {"shop": (WAITING, None)}) as b:
        b.file = replace(both, digest="d2")
        await b.control.reload(source="test", by="test")
        await turns()

        assert "3/0/before_rollout" == b.client.calls[0].json["key"]


async def test_people_can_read_what_a_service_waits_for() -> None:
    async with bench(intent(service("v2", rollout=ASKING)), {"shop": (replace(WAITING, asking="3/0/gate"), None)}, up=False) as b:
        b.client.answers["http://board/ok"] = [Answer(403)]
        await turns()

        assert "gate http://board/ok answered 403" == b.control.outside.says(b.position())


async def test_a_service_that_waits_for_nobody_has_nothing_to_tell() -> None:
    async with bench() as b:
        assert "" == b.control.outside.says(b.position())


async def test_a_question_ends_with_its_rollout() -> None:
    async with bench(intent(service("v2", rollout=ASKING)), {"shop": (WAITING, None)}, up=False) as b:
        b.client.answers["http://ci/smoke"] = [None]
        await turns()
        hanging = b.client.hanging
        await b.control.command("shop", "abort", by="ann", reason="no")
        await turns()

        assert (1, 0) == (hanging, b.client.hanging)


async def test_a_check_that_is_due_is_asked_for_and_heard() -> None:
    check = Check("up", http=HttpQuery("http://shop/up"))
    async with bench() as b:
        await b.target("v2")
        b.control.outside.check(b.position(), [check])
        await turns()

        assert ["http://shop/up"] == [call.url for call in b.client.calls]


async def test_at_the_end_what_was_decided_is_still_told_and_the_client_closed() -> None:
    async with bench(intent(notifications=(OPS,))) as b:
        await b.target("v2")
        await b.control.outside.finish()
        await b.control.close()

        assert (["started"], True) == ([call.json["kind"] for call in b.client.calls if call.json["kind"] != "first"], b.client.closed)


async def test_without_anything_outside_nothing_is_called() -> None:
    async with bench(intent(service(rollout=PLAN))) as b:
        await b.target("v2")
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))
        await turns()

        assert ([], 1) == (b.client.calls, len(b.tasks))


# ---- checks ---------------------------------------------------------------------------------------------------------------------

CHECKED = replace(
    PLAN,
    steps=(WeightStep(1000, for_s=8.0),),
    checks=(Check("orders", prometheus=PrometheusQuery("http://prom", "up"), min=0.9),),
    interval_s=2.0,
)
PROM = "http://prom/api/v1/query"


def number(value: str) -> Answer:
    return Answer(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"%s"]}}' % value.encode())


async def passing(b: Bench, seconds: int) -> None:
    """Time passes with good traffic on both sides."""
    for _ in range(seconds):
        await b.after(1, b.cell("v2", ok=10), b.cell("v1", ok=90))
        await turns()
        await b.control.settled()


async def test_a_check_is_asked_at_its_interval_and_lets_the_step_end() -> None:
    async with bench(intent(service(rollout=CHECKED))) as b:
        b.client.answers[PROM] = [number("0.95")]
        await b.target("v2")
        await passing(b, 10)

        assert ("v2", Phase.STABLE, [PROM + "?query=up"] * 3) == (
            b.position().stable,
            b.position().phase,
            [call.url for call in b.client.calls],
        )


async def test_a_check_that_fails_too_often_takes_the_candidate_out() -> None:
    async with bench(intent(service(rollout=CHECKED))) as b:
        b.client.answers[PROM] = [number("0.5")]
        await b.target("v2")
        await passing(b, 9)

        assert (Phase.ROLLED_BACK, True) == (b.position().phase, "check orders failed 3 times" in b.position().reason)


async def test_a_source_that_is_down_for_a_minute_holds_the_step_says_so_once_and_it_goes_on_when_it_is_back() -> None:
    async with bench(intent(service(rollout=CHECKED))) as b:
        b.client.answers[PROM] = [*(["refused the connection"] * 30), number("0.95")]
        await b.target("v2")
        await passing(b, 59)
        held = b.position(), b.control.standings["shop"].verdict
        await passing(b, 8)
        said = [event.text for event in b.control.events.since() if event.kind.startswith("source")]

        assert (Phase.PROGRESSING, 1000) == (held[0].phase, held[0].weight_bp)
        assert held[1] is not None
        assert ["check orders: Prometheus at http://prom refused the connection"] == held[1].figures["holding"]
        assert [
            "check orders: Prometheus at http://prom refused the connection; nothing is decided on it until it can be read",
            "check orders: Prometheus at http://prom can be read again after 1m0s",
        ] == said
        assert "v2" == b.position().stable


async def test_an_answer_for_a_rollout_that_has_ended_is_not_the_next_ones() -> None:
    async with bench(intent(service(rollout=CHECKED))) as b:
        b.client.answers[PROM] = [None]
        await b.target("v2")
        await passing(b, 3)
        hanging = b.client.hanging
        await b.control.command("shop", "abort", by="ann", reason="no")
        await turns()

        assert (1, 0) == (hanging, b.client.hanging)


async def test_a_loop_that_takes_nothing_more_loses_a_reading_and_asks_again_for_an_answer() -> None:
    def full(event: LoopEvent) -> None:
        raise Unable("over-burdened")

    client, tasks, clock = PretendedClient(), TaskGroup(lambda name, error: None), ManualClock()
    outside = Outside(client, tasks, clock, RecentEvents(lambda event: None), full)
    running = replace(WAITING, asking="", plan=CHECKED)
    outside.check(running, CHECKED.checks)
    outside.arrived(WAITING)
    await turns()

    assert (["http://prom/api/v1/query?query=up", "http://ci/smoke"], 1) == ([call.url for call in client.calls], len(tasks))
    await tasks.close()
