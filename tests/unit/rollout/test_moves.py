from __future__ import annotations

from msgspec.structs import replace

from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.rollout import moves
from proxy.rollout.events import Applied, Publish

PLAN = RolloutPlan(steps=(WeightStep(500), GateStep(), WeightStep(500), WeightStep(5000)))
RUNNING = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", "f2", rollout=3, plan=PLAN, weight_bp=500, since_s=100.0)


def test_every_record_says_which_rollout_from_what_to_what_and_how_the_weight_moved() -> None:
    _, effects = moves.roll_back(RUNNING, why="bad", figures={"log_evidence": 9.0})

    figures = {"log_evidence": 9.0, "rollout": 3, "from": "v1", "to": "v2", "step": 0, "weight_bp_before": 500, "weight_bp": 0}
    assert (Record("rolling_back", "bad", figures), Publish()) == effects


def test_a_gate_keeps_the_weight_so_nothing_is_published() -> None:
    after, effects = moves.advance(RUNNING, 1, 101.0, why="done")

    assert isinstance(effects[0], Record)
    assert (Phase.PAUSED, "gate", 500, "gate", 1) == (after.phase, after.reason, after.weight_bp, effects[0].kind, len(effects))


def test_a_step_of_the_same_weight_publishes_nothing() -> None:
    _, effects = moves.advance(RUNNING, 2, 101.0, why="done")

    assert 1 == len(effects)


def test_a_promotion_is_published_even_from_a_step_of_everything() -> None:
    """Nothing falls back on stable once the candidate is promoted, which workers have to be told."""
    _, effects = moves.advance(replace(RUNNING, weight_bp=10_000), 4, 101.0, why="done")

    assert Publish() == effects[-1]


def test_a_step_begins_with_no_time_and_no_requests() -> None:
    after, _ = moves.advance(replace(RUNNING, step_elapsed_s=9.0, step_requests=9, elapsed_s=9.0), 3, 101.0, why="done")

    assert (0.0, 0, 9.0) == (after.step_elapsed_s, after.step_requests, after.elapsed_s)


def test_an_acknowledgement_says_how_long_the_workers_took_and_how_long_ago_it_was_decided() -> None:
    rolling_back, _ = moves.roll_back(RUNNING, why="bad")
    _, effects = moves.settle_rolled_back(rolling_back, Applied(17, 0.012), now=100.5)

    assert isinstance(effects[0], Record)
    assert {"generation": 17, "took_s": 0.012, "since_decision_s": 0.5, "elapsed_s": 0.0}.items() <= effects[0].figures.items()


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    assert 0.0 == moves.acknowledged(RUNNING, Applied(17, 0.012), now=50.0)["since_decision_s"]


def test_the_rolled_back_record_repeats_why() -> None:
    rolling_back, _ = moves.roll_back(RUNNING, why="too many failures")
    after, effects = moves.settle_rolled_back(rolling_back, Applied(17, 0.012), now=100.5)

    assert isinstance(effects[0], Record)
    assert ("no worker gives v2 a request any more: too many failures", "too many failures") == (effects[0].reason, after.reason)


def test_a_gate_before_any_step_says_so() -> None:
    plan = RolloutPlan(steps=(GateStep(),))
    after, effects = moves.start(RUNNING, 101.0, target="v3", fingerprint="f3", plan=plan, why="the target is v3", by="ann")

    record = effects[0]
    assert isinstance(record, Record)
    assert (Phase.PAUSED, 0, "the target is v3; gate before the first step") == (after.phase, after.weight_bp, record.reason)
