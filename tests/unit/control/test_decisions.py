"""A decision is durable before it has any effect, has no effect when it is not, and starts where the store says."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.guard import Tally
from proxy.control.events import Unable
from proxy.control.workers import Answer
from proxy.errors import OperatorError
from proxy.model.position import Phase, Position
from proxy.rollout.machine import fingerprint
from tests.kit.control_bench import PLAN, Bench, bench, intent, service, version

pytestmark = pytest.mark.asyncio

TRYING = Position(
    "shop",
    stable="v1",
    phase=Phase.PROGRESSING,
    candidate="v2",
    target="v2",
    configured="v2",
    fingerprint=fingerprint(version("v2", 9001)),
    plan=PLAN,
    rollout=3,
    weight_bp=1000,
    step_elapsed_s=4.0,
    step_requests=70,
)


async def test_with_an_empty_store_the_target_is_stable_at_once() -> None:
    async with bench(intent(service("v2"))) as b:
        assert ("v2", Phase.STABLE, {"v2": 10_000}) == (b.position().stable, b.position().phase, b.weights())


async def test_a_decision_is_kept_between_the_two_phases() -> None:
    async with bench() as b:
        await b.target("v2")

        assert ["prepare 2", "decide started", "commit 2"] == b.journal


async def test_a_decision_that_cannot_be_kept_has_no_effect() -> None:
    async with bench() as b:
        b.store.broken = "disk full"
        result = await b.target("v2")

        assert ("refused", "disk full", ["prepare 2", "abandon 2"], {"v1": 10_000}, "") == (
            result.outcome,
            result.message,
            b.journal,
            b.weights(),
            b.position().candidate,
        )


async def test_of_decisions_made_together_all_are_kept_or_none() -> None:
    async with bench(intent(service(), service(name="blog"))) as b:
        before = {name: list(revisions) for name, revisions in b.store.revisions.items()}
        b.store.broken_for = "blog"
        b.file = intent(service("v2"), service("v2", name="blog"), digest="d2")
        result = await b.control.reload(source="test", by="test")

        assert ("refused", before) == (result.outcome, b.store.revisions)


async def test_a_service_has_its_counts_as_soon_as_it_can_be_read_of(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool]] = []
    async with bench() as b:
        commit = b.workers.commit

        async def committing(generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
            seen.append((b.control.intent.service("blog") is not None, ("blog", "v1") in b.control.totals.cells))
            return await commit(generation, slots, timeout_s)

        monkeypatch.setattr(b.workers, "commit", committing)
        b.file = intent(service(), service(name="blog"), digest="d2")
        await b.control.reload(source="test", by="test")

    assert [(True, True)] == seen


async def test_what_cannot_be_kept_beside_decisions_is_told_and_kept_later() -> None:
    async with bench() as b:
        await b.target("v2")
        b.store.broken = "disk full"
        await b.after(limits.EXPOSURE_KEPT_S + 2, b.cell("v2", ok=1), b.cell("v1", ok=20))
        told = [event.text for event in b.control.events.since() if event.kind == "not_kept"]
        b.store.broken = ""
        await b.after(limits.EXPOSURE_KEPT_S + 2, b.cell("v2", ok=1), b.cell("v1", ok=20))
        kept = b.store.kept_series["shop", 1]

    assert {"the progress of rollouts cannot be kept: disk full", "what rollouts have gone through cannot be kept: disk full"} == set(
        told
    )
    assert kept[1]["requests"] > 0


async def test_a_rollback_that_could_not_be_kept_is_made_again() -> None:
    async with bench() as b:
        await b.target("v2")
        b.store.broken = "disk full"
        await b.report(b.cell("v2", bad=20), b.cell("v1", ok=100))
        held = b.position().phase
        b.store.broken = ""
        b.clock.advance(0.2)
        await b.report()

        assert (Phase.PROGRESSING, Phase.ROLLED_BACK) == (held, b.position().phase)


async def test_it_goes_on_at_the_step_the_weight_and_the_counts_of_the_store() -> None:
    tally = Tally.of(TRYING)
    kept = {"shop": (TRYING, tally.to_json())}
    async with bench(intent(service("v2")), kept) as b:
        position = b.position()

        assert (Phase.PROGRESSING, 0, 1000, 4.0, 70) == (
            position.phase,
            position.step,
            position.weight_bp,
            position.step_elapsed_s,
            position.step_requests,
        )
        assert {"v1": 9000, "v2": 1000} == {
            v.name: w for v, w in zip(b.plan().services[0].versions, b.plan().services[0].weights, strict=True)
        }


@pytest.mark.parametrize(
    ("phase", "weight_bp", "expected"), [(Phase.ROLLING_BACK, 0, Phase.ROLLED_BACK), (Phase.PROMOTING, 10_000, Phase.STABLE)]
)
async def test_a_decision_that_a_crash_cut_off_is_finished_at_the_next_start(phase: Phase, weight_bp: int, expected: Phase) -> None:
    async with bench(intent(service("v2")), {"shop": (replace(TRYING, phase=phase, weight_bp=weight_bp), None)}) as b:
        assert expected == b.position().phase


async def test_a_cut_off_decision_is_not_finished_before_every_worker_serves_it() -> None:
    rolling = replace(TRYING, phase=Phase.ROLLING_BACK, weight_bp=0)
    async with bench(intent(service("v2"), workers=2), {"shop": (rolling, None)}, up=False) as b:
        await b.up(0)

        assert Phase.ROLLING_BACK == b.position().phase


async def test_a_stable_version_that_left_while_it_was_down_gives_way_to_the_target_and_the_history_says_why() -> None:
    async with bench(intent(service("v3", "v2", "v3")), {"shop": (replace(TRYING, stable="v0"), None)}) as b:
        record = b.store.revisions["shop"][0]

        assert ("v3", Phase.STABLE, 3, "stable_gone") == (b.position().stable, b.position().phase, b.position().rollout, record.kind)


async def test_a_candidate_that_left_while_it_was_down_is_rolled_back() -> None:
    own = replace(TRYING, configured="v1")  # an operator's own rollout; the configuration still names v1
    async with bench(intent(service("v1", "v1")), {"shop": (own, None)}) as b:
        assert ("v1", {"v1": 10_000}) == (b.position().stable, b.weights())
        assert Phase.PROGRESSING != b.position().phase


async def test_a_service_that_comes_back_is_found_where_it_was() -> None:
    async with bench(intent(service(), service(name="blog"))) as b:
        b.file = intent(service(name="blog"), digest="d2")
        await b.control.reload(source="test", by="test")
        b.store.positions["shop"] = (replace(TRYING, phase=Phase.ROLLED_BACK, weight_bp=0), None)
        b.file = intent(service("v2"), service(name="blog"), digest="d3")
        await b.control.reload(source="test", by="test")

        assert (Phase.ROLLED_BACK, "v1") == (b.position().phase, b.position().stable)


async def test_a_promotion_whose_weights_are_in_force_already_still_ends() -> None:
    """The last step gives everything, so promoting publishes nothing new, and nobody would acknowledge it."""
    whole = replace(PLAN, steps=(replace(PLAN.steps[0], weight_bp=10_000, for_s=2.0),))
    async with bench(intent(service(rollout=whole))) as b:
        await b.target("v2")
        await b.after(4, b.cell("v2", ok=5))

        assert ("v2", Phase.STABLE) == (b.position().stable, b.position().phase)


async def test_an_end_is_counted_once() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.target("v1", "d3")

        assert {("shop", "abandoned"): 1} == dict(b.control.rollouts_ended)


async def test_a_command_that_a_worker_refuses_changes_nothing() -> None:
    async with bench() as b:
        await b.target("v2")
        b.workers.refusing = {0: "no"}
        with pytest.raises(Unable, match="nothing was changed"):
            await b.control.command("shop", "abort", by="local", reason="x")

        assert (Phase.PROGRESSING, ["started"]) == (b.position().phase, kinds(b)[1:])


async def test_a_store_that_breaks_between_commit_and_acknowledgement_only_delays_the_end() -> None:
    async with bench() as b:
        await b.target("v2")
        await b.control.command("shop", "abort", by="local", reason="x")
        first = kinds(b)

        assert ["first", "started", "rolling_back", "rolled_back"] == first

        await b.control.command("shop", "retry", by="local")
        commit = b.workers.commit

        async def commit_and_break(*arguments: object) -> object:
            b.store.broken = "disk full"
            return await commit(*arguments)  # type: ignore[arg-type]  # passed through

        b.workers.commit = commit_and_break  # type: ignore[method-assign,assignment]  # a disk that fills at the worst moment
        await b.control.command("shop", "abort", by="local", reason="y")
        waits = b.position().phase
        b.store.broken, b.workers.commit = "", commit  # type: ignore[method-assign]  # and is emptied again
        b.clock.advance(1.0)
        await b.report()

        assert (Phase.ROLLING_BACK, Phase.ROLLED_BACK) == (waits, b.position().phase)


async def test_starting_fails_when_the_store_does() -> None:
    b = Bench(intent())
    b.store.broken = "disk full"
    with pytest.raises(OperatorError, match="disk full"):
        await b.control.start()


def kinds(b: Bench) -> list[str]:
    return [revision.kind for revision in b.store.revisions["shop"]]
