"""A rolling rollout, part by part: forward, held, unhealthy, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from proxy.model.position import Finding, Phase, Verdict
from proxy.model.rollout import FreezeWindow, Hook
from proxy.rollout.batches import SETTLE_S
from proxy.rollout.events import EndpointLevel, Measured
from proxy.rollout.machine import IllegalTransition
from tests.unit.rollout.fleet import BATCHES, HOOK, PLAN, Fleet
from tests.unit.rollout.positions import PASS, heard, said

HOOKED = replace(PLAN, hooks=HOOK)
HOLD = Verdict(Finding.HOLD, "too few failures", {"candidate_failures": 1})
REVERSE = replace(PLAN, rolling=replace(BATCHES, on_unhealthy="reverse"))
COLD = replace(PLAN, freeze=(FreezeWindow(5 * 1440, 0),))
SATURDAY = datetime(2026, 11, 28, tzinfo=UTC).timestamp()


def parts(fleet: Fleet, times: int = 100) -> list[str]:
    """The parts it goes through, each with the weight it begins with."""
    seen: list[str] = []
    for _ in range(times):
        told = f"{fleet.position.part or fleet.position.phase.value} {fleet.position.weight_bp}"
        if not seen or seen[-1] != told:
            seen.append(told)
        if fleet.position.phase is Phase.PROMOTING:
            break
        fleet.enter(heard(fleet.position)) if fleet.position.asking else fleet.look()
    return seen


def test_a_whole_rollout_goes_through_every_part_of_every_batch() -> None:
    fleet = Fleet(plan=replace(HOOKED, rolling=replace(BATCHES, slow_start_s=4.0)))

    assert [
        "progressing 0",
        *("draining 0", "hook 0", "ready 0", "slow_start 1111", "slow_start 2000", "slow_start 2727", "slow_start 3333"),
        "progressing 3333",
        *("draining 5000", "hook 5000", "ready 5000", "slow_start 5556", "slow_start 6000", "slow_start 6364", "slow_start 6667"),
        "progressing 6667",
        *("draining 10000", "hook 10000", "ready 10000", "progressing 10000"),
        "promoting 10000",
    ] == parts(fleet, 200)


def test_its_history_is_exactly_this() -> None:
    fleet = Fleet("ab", "ab", HOOKED)
    fleet.to_the_end()
    batch = ["step", "publish", "asking", "ask before_step", "step", "step", "publish"]

    assert ["started", "publish", *batch, *batch, "promoting", "publish", "promoted", "publish"] == fleet.told
    assert (Phase.STABLE, "v2") == (fleet.position.phase, fleet.position.stable)


@pytest.mark.parametrize(
    ("stable", "candidate", "batch", "fewest"),
    [
        ("abc", "abc", 1, 2),
        ("abcd", "abcd", 2, 2),
        ("abc", "xyz", 1, 2),
        ("abc", "abc", 9, 1),
        ("a", "x", 1, 1),
        ("ab", "abcd", 1, 1),
        ("abcd", "ab", 1, 2),
    ],
)
def test_capacity_never_falls_below_what_a_batch_allows(stable: str, candidate: str, batch: int, fewest: int) -> None:
    fleet = Fleet(stable, candidate, replace(HOOKED, rolling=replace(BATCHES, batch=batch)))
    fleet.to_the_end()

    assert (fewest, "v2") == (fleet.fewest, fleet.position.stable)


# ---- draining -------------------------------------------------------------------------------------------------------------------


def test_a_drain_lasts_until_nothing_is_in_flight() -> None:
    fleet = Fleet()
    fleet.busy.add(("v1", "a"))
    fleet.until("draining")
    for _ in range(20):
        fleet.look()
    assert "draining" == fleet.position.part
    fleet.busy.clear()

    assert "ready" == fleet.look().part


def test_a_drain_lasts_no_longer_than_it_may() -> None:
    fleet = Fleet()
    fleet.busy.add(("v1", "a"))
    fleet.until("draining")

    assert ["draining", "ready"] == [fleet.look(29.9).part, fleet.look(0.1).part]


def test_a_drain_lasts_as_long_as_what_workers_said_before_it_is_old() -> None:
    fleet = Fleet()
    fleet.until("draining")

    assert ["draining", "ready"] == [fleet.look(SETTLE_S - 0.1).part, fleet.look(0.1).part]


def test_an_endpoint_that_alone_carries_everything_is_not_drained() -> None:
    fleet = Fleet("a", "x", HOOKED)
    fleet.until("hook")

    assert ((["a"], []), ()) == (fleet.serving(), fleet.position.leaving)


# ---- hooks ----------------------------------------------------------------------------------------------------------------------


def test_the_hooks_are_asked_when_the_endpoint_is_drained() -> None:
    fleet = Fleet(plan=HOOKED)
    position = fleet.until("hook")

    assert ("1/0/before_step", ("a",), ("a",)) == (position.asking, position.leaving, position.coming)


def test_a_hook_that_fails_for_an_untouched_fleet_ends_it() -> None:
    fleet = Fleet(plan=HOOKED)
    position = fleet.enter(heard(fleet.until("hook"), False, "hook answered 500"))

    assert (Phase.ROLLING_BACK, "hook answered 500") == (position.phase, position.reason)


def test_the_other_hooks_are_asked_at_their_points() -> None:
    hooks = tuple(Hook(on, "http://ops/x") for on in ("before_rollout", "before_promotion", "after_promotion"))
    fleet = Fleet("ab", "ab", replace(PLAN, hooks=hooks))
    fleet.to_the_end()

    assert ["ask before_rollout", "ask before_promotion", "ask after_promotion"] == [
        told for told in fleet.told if told.startswith("ask ")
    ]


# ---- ready ----------------------------------------------------------------------------------------------------------------------


def test_a_batch_is_ready_when_it_was_healthy_without_a_break() -> None:
    fleet = Fleet()
    fleet.until("ready")
    fleet.look(9.0)
    fleet.ill.add(("v2", "a"))
    fleet.look(1.0)
    fleet.ill.clear()

    assert ["ready", ""] == [fleet.look(9.0).part, fleet.look(1.0).part]


@pytest.mark.parametrize(("plan", "phase"), [(PLAN, Phase.PAUSED), (REVERSE, Phase.ROLLING_BACK)])
def test_a_batch_that_is_not_ready_in_time_is_unhealthy(plan: object, phase: Phase) -> None:
    fleet = Fleet(plan=plan)  # type: ignore[arg-type]  # a plan
    fleet.ill.add(("v2", "a"))
    fleet.until("ready")
    fleet.look(59.9)
    assert Phase.PROGRESSING is fleet.position.phase
    position = fleet.look(0.1)

    assert (phase, "a of v2 was not ready within 1m0s") == (position.phase, position.reason)


def test_after_a_resume_it_is_waited_for_anew() -> None:
    fleet = Fleet()
    fleet.ill.add(("v2", "a"))
    fleet.until("ready")
    fleet.look(60.0)
    fleet.enter(said("resume"))

    assert (Phase.PROGRESSING, "ready") == (fleet.look(59.0).phase, fleet.position.part)
    fleet.ill.clear()
    assert 1 == fleet.look(10.0).moved


def test_an_endpoint_of_the_candidate_that_falls_ill_again_is_unhealthy() -> None:
    fleet = Fleet()
    fleet.batch()
    fleet.ill.add(("v2", "a"))
    for _ in range(2):
        assert (Phase.PROGRESSING, "") == (fleet.look().phase, fleet.position.part)
    position = fleet.look()

    assert (Phase.PAUSED, "a of v2 is not healthy any more", 3333) == (position.phase, position.reason, position.weight_bp)


def test_an_endpoint_that_refuses_now_and_then_is_not_ill() -> None:
    fleet = Fleet(plan=replace(PLAN, rolling=replace(BATCHES, slow_start_s=60.0)))
    fleet.until("slow_start")
    for _ in range(5):
        fleet.ill.add(("v2", "a"))
        fleet.look(2.0)
        fleet.ill.clear()
        fleet.look(1.0)

    assert Phase.PROGRESSING is fleet.position.phase


def test_endpoints_no_worker_has_spoken_of_since_a_restart_are_not_ill() -> None:
    fleet = Fleet()
    fleet.batch()
    unheard = tuple(EndpointLevel(v, label, False, 0, heard=False) for v in ("v1", "v2") for label in fleet.stable)

    assert Phase.PROGRESSING is fleet.enter(Measured(1.0, 0, PASS, unheard)).phase


def test_endpoints_that_a_reload_takes_away_change_the_weights_at_the_next_look() -> None:
    fleet = Fleet("abc", "abc")
    fleet.batch()
    fleet.stable = ("a",)
    fleet.told.clear()

    assert (10_000, ["step", "publish"]) == (fleet.look().weight_bp, fleet.told)


def test_several_endpoints_are_spoken_of_as_several() -> None:
    fleet = Fleet("abcd", "wxyz", replace(PLAN, rolling=replace(BATCHES, batch=2)))
    fleet.ill |= {("v2", "w"), ("v2", "x")}
    fleet.until("ready")

    assert "w and x of v2 were not ready within 1m0s" == fleet.look(60.0).reason


def test_before_workers_have_spoken_of_any_endpoint_nothing_begins() -> None:
    fleet = Fleet()
    fleet.enter(Measured(1.0, 0, PASS))

    assert ("", (0, 0)) == (fleet.position.part, fleet.position.endpoints)


def test_a_share_grows_only_when_a_quarter_of_the_time_has_passed() -> None:
    fleet = Fleet(plan=replace(PLAN, rolling=replace(BATCHES, slow_start_s=40.0)))
    fleet.until("slow_start")
    fleet.told.clear()

    assert ([1111, 2000], ["step", "publish"]) == ([fleet.look(9.0).weight_bp, fleet.look(1.0).weight_bp], fleet.told)


# ---- between batches ------------------------------------------------------------------------------------------------------------


def test_no_batch_begins_while_another_endpoint_is_ill() -> None:
    fleet = Fleet()
    fleet.ill.add(("v1", "c"))
    fleet.look()

    assert ("", ("c",)) == (fleet.look().part, fleet.position.coming)
    fleet.ill.clear()
    assert "draining" == fleet.look().part


def test_an_ill_endpoint_is_replaced_when_it_is_its_turn() -> None:
    fleet = Fleet()
    fleet.ill.add(("v1", "a"))

    assert "draining" == fleet.look().part


def test_judges_hold_the_next_batch() -> None:
    fleet = Fleet()
    fleet.batch()

    assert ["", "draining"] == [fleet.look(1.0, HOLD).part, fleet.look().part]


def test_a_freeze_holds_the_next_batch_and_not_the_one_that_has_begun() -> None:
    fleet = Fleet(plan=COLD)
    fleet.until("draining")
    fleet.now = SATURDAY
    fleet.batch()
    fleet.look(1000.0)

    assert (1, "") == (fleet.position.moved, fleet.position.part)
    fleet.now = SATURDAY + 2 * 86_400
    assert "draining" == fleet.look().part


def test_promote_begins_the_next_batch_whatever_holds_it() -> None:
    fleet = Fleet()
    fleet.ill.add(("v1", "c"))
    fleet.look()
    fleet.enter(said("promote"))

    assert "draining" == fleet.look(1.0, HOLD).part


def test_promote_after_the_last_batch_asks_the_hooks_before_a_promotion_once() -> None:
    fleet = Fleet("ab", "ab", replace(PLAN, hooks=(Hook("before_promotion", "http://ci/x"),)))
    fleet.batch()
    fleet.batch()
    fleet.look(1.0, HOLD)
    fleet.told.clear()
    fleet.enter(said("promote"))
    fleet.look(1.0, HOLD)
    position = fleet.enter(heard(fleet.position))

    assert (Phase.PROMOTING, ["step", "asking", "ask before_promotion", "promoting", "publish"]) == (position.phase, fleet.told)


def test_promote_does_not_begin_a_batch_in_a_freeze_that_comes_between() -> None:
    fleet = Fleet(plan=COLD)
    fleet.enter(said("promote"))
    fleet.now = SATURDAY

    assert "due" == fleet.look().part


def test_promote_before_workers_have_spoken_begins_the_first_batch_when_they_do() -> None:
    fleet = Fleet()
    fleet.ill.add(("v1", "c"))

    assert ["due", "draining"] == [fleet.enter(said("promote")).part, fleet.look().part]


def test_promote_passes_the_hooks_of_a_batch() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.until("hook")

    assert "ready" == fleet.enter(said("promote")).part


def test_promote_does_not_make_an_endpoint_ready() -> None:
    fleet = Fleet()
    fleet.until("ready")
    with pytest.raises(IllegalTransition, match="is ready when its endpoints are; wait for it"):
        fleet.enter(said("promote"))


def test_promote_in_a_batch_says_what_can_be_done_about_it() -> None:
    fleet = Fleet("abc", "xyz")
    fleet.until("ready")
    with pytest.raises(IllegalTransition, match="wait for it, or give everything at once with promote --full"):
        fleet.enter(said("promote"))


def test_promote_in_full_gives_everything_to_endpoints_of_their_own() -> None:
    fleet = Fleet("abc", "xyz")
    fleet.batch()

    assert (Phase.PROMOTING, 10_000, 0) == (
        fleet.enter(said("promote", full=True)).phase,
        fleet.position.weight_bp,
        fleet.position.moved,
    )


def test_promote_in_full_is_refused_where_instances_are_replaced_in_their_places() -> None:
    fleet = Fleet()
    fleet.look()
    with pytest.raises(IllegalTransition, match="3 of v2's endpoints are addresses of v1"):
        fleet.enter(said("promote", full=True))
