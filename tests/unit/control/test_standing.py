"""One service as the loop holds it: what counts, what is measured, what is only taken when it is kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.guard import Tally
from proxy.control.standing import Move, Standing
from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import RolloutPlan, ShadowStep
from proxy.rollout.events import EndpointLevel, Publish
from proxy.telemetry.snapshot import CellDelta, ShadowDelta
from tests.kit.control_bench import PLAN

TRYING = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", rollout=3, plan=PLAN, weight_bp=1000)


def cell(**more: object) -> CellDelta:
    given: dict[str, object] = {"service": "shop", "version": "v2", "generation": 1, "rollout": 3, "candidate_share": 0.1, "draws": 5}
    return CellDelta(**(given | more))  # type: ignore[arg-type]  # the fields of the test


def test_time_and_requests_are_measured_as_differences() -> None:
    standing = Standing(TRYING, None, now=100.0)
    standing.count(cell(), 0.0)
    standing.measure(101.0, 0.0)
    standing.count(cell(draws=2), 0.0)
    standing.measure(101.5, 0.0)

    assert (1.5, 7) == (standing.position.step_elapsed_s, standing.position.step_requests)


def test_a_long_silence_counts_as_little() -> None:
    standing = Standing(TRYING, None, now=100.0)
    standing.measure(5000.0, 0.0)

    assert limits.OBSERVED_GAP_S_MAX == standing.position.step_elapsed_s


def test_a_decision_is_not_taken_by_measuring_alone() -> None:
    standing = Standing(replace(TRYING, step_elapsed_s=4.5), None, now=100.0)
    standing.count(cell(), 0.0)
    move = standing.measure(101.0, 0.0)

    assert (True, 5000, 1000, 4.5) == (
        move.decides,
        move.position.weight_bp,
        standing.position.weight_bp,
        standing.position.step_elapsed_s,
    )


def test_counts_of_another_rollout_do_not_count() -> None:
    standing = Standing(TRYING, None, now=100.0)

    assert (False, 0) == (standing.count(cell(rollout=2), 0.0), standing.tally.candidate_requests)


def test_counts_of_a_service_at_rest_do_not_count() -> None:
    assert not Standing(replace(TRYING, phase=Phase.ROLLED_BACK), None, now=0.0).count(cell(), 0.0)


def test_the_counts_of_the_store_go_on() -> None:
    kept = Tally.of(TRYING)
    kept.add(cell(draws=40), stable="v1", candidate="v2")
    standing = Standing(TRYING, kept.to_json(), now=100.0)
    standing.count(cell(draws=2), 0.0)
    standing.measure(100.1, 0.0)

    assert (42, 2) == (standing.tally.candidate_requests, standing.position.step_requests)


def test_counts_of_an_older_rollout_in_the_store_are_left() -> None:
    standing = Standing(TRYING, Tally.of(replace(TRYING, rollout=2)).to_json(), now=100.0)

    assert 3 == standing.tally.rollout


def test_a_new_rollout_begins_with_an_empty_tally() -> None:
    standing = Standing(TRYING, None, now=100.0)
    standing.count(cell(), 0.0)
    standing.take(Move(replace(TRYING, rollout=4)), 101.0)

    assert (4, 0, None) == (standing.tally.rollout, standing.tally.candidate_requests, standing.verdict)


def test_a_move_is_more_than_time_passing_when_it_records_or_publishes() -> None:
    assert (False, True, True) == (
        Move.made(TRYING, ()).decides,
        Move.made(TRYING, (Publish(),)).decides,
        Move.made(TRYING, (Record("paused", "x"),)).decides,
    )


def test_a_service_waits_for_workers_after_a_change_of_weights_and_while_a_rollout_ends() -> None:
    def waits(move: Move) -> bool:
        standing = Standing(TRYING, None, now=0.0)
        standing.take(move, 0.0)
        return standing.pending

    assert (True, True, False) == (
        waits(Move(TRYING, publish=True)),
        waits(Move(replace(TRYING, phase=Phase.PROMOTING))),
        waits(Move(TRYING, (Record("paused", "x"),))),
    )


def copies(version: str = "v2", **results: int) -> ShadowDelta:
    return ShadowDelta("shop", version, sum(results.values()), results)


SHADOWING = replace(TRYING, phase=Phase.SHADOWING, weight_bp=0, plan=replace(PLAN, steps=(ShadowStep(percent_bp=2000, for_s=60),)))


def test_copies_that_were_answered_are_the_requests_of_a_shadow_step() -> None:
    standing = Standing(SHADOWING, None, now=100.0)
    standing.mirrored(copies(match=3, mismatch=1, error=1))
    standing.measure(101.0, 0.0)
    standing.mirrored(copies(match=2))
    standing.measure(101.5, 0.0)

    assert standing.position.step_requests == 7


def test_copies_of_a_configured_shadow_are_nothing_to_the_rollout() -> None:
    standing = Standing(SHADOWING, None, now=100.0)
    standing.mirrored(copies("v3", match=3))
    standing.measure(101.0, 0.0)

    assert standing.position.step_requests == 0


def test_copies_outside_of_a_shadow_step_are_no_requests() -> None:
    standing = Standing(TRYING, None, now=100.0)
    standing.mirrored(copies(match=3))
    standing.measure(101.0, 0.0)

    assert standing.position.step_requests == 0


@pytest.mark.parametrize(("inherited", "part"), [(True, "draining"), (False, "ready")])
def test_a_drain_that_another_process_began_lasts_as_long_as_it_may(inherited: bool, part: str) -> None:
    plan = RolloutPlan(strategy="rolling", steps=())
    draining = Position(
        "shop", "v1", Phase.PROGRESSING, "v2", rollout=3, plan=plan, moving=1, part="draining", leaving=("a",), coming=("x",)
    )
    standing = Standing(draining if inherited else replace(draining, part=""), None, now=100.0)
    standing.position = draining
    levels = tuple(EndpointLevel(version, label, True, 0) for version, label in (("v1", "a"), ("v1", "b"), ("v2", "x"), ("v2", "y")))
    standing.measure(101.0, 0.0, levels)
    move = standing.measure(102.0, 0.0, levels)

    assert part == move.position.part
