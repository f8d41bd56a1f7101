"""Which endpoints are in service in each part of a batch, and with what weight."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.model.rollout import Rolling
from proxy.rollout.rolling import begun, in_service, next_step, pairs, quarters, waiting_for, way_back, weight_bp, where
from tests.unit.rollout.fleet import HOOK, PLAN
from tests.unit.rollout.positions import NEW

ROLLING = replace(NEW, phase=Phase.PROGRESSING, candidate="v2", plan=PLAN, endpoints=(3, 3), rollout=1)


def at(moved: int, moving: int = 0, part: str = "", **fields: object) -> Position:
    return replace(ROLLING, moved=moved, moving=moving, part=part, **fields)


@pytest.mark.parametrize(
    ("stable", "candidate", "paired"),
    [
        ("abc", "abc", "aa bb cc"),
        ("abc", "cba", "cc bb aa"),
        ("abc", "xyz", "ax by cz"),
        ("abc", "xbz", "ax bb cz"),
        ("abcd", "xy", "ax by c- d-"),
        ("a", "xyz", "ax -y -z"),
        ("b", "ab", "bb -a"),
    ],
)
def test_endpoints_are_paired_by_address_and_then_by_order(stable: str, candidate: str, paired: str) -> None:
    assert paired == " ".join((old or "-") + (new or "-") for old, new in pairs(stable, candidate))


@pytest.mark.parametrize(
    ("position", "old", "new", "weight"),
    [
        (at(0), "abc", "", 0),
        (at(0, 1, "draining"), "bc", "", 0),
        (at(0, 1, "hook"), "bc", "", 0),
        (at(0, 1, "ready"), "bc", "", 0),
        (at(0, 1, "slow_start"), "bc", "x", 3333),
        (at(1), "bc", "x", 3333),
        (at(1, 1, "ready"), "c", "x", 5000),
        (at(1, 2, "draining"), "", "x", 10_000),
        (at(2, 1, "ready"), "", "xy", 10_000),
        (at(3), "", "xyz", 10_000),
        (at(0, 3, "ready"), "abc", "", 0),  # never all
        (at(0, phase=Phase.PROMOTING), "abc", "xyz", None),
        (at(0, phase=Phase.ROLLED_BACK), "abc", "xyz", None),
        (at(0, phase=Phase.ROLLING_BACK), "abc", "xyz", 0),
        (at(1, phase=Phase.ROLLING_BACK), "bc", "x", 0),  # no more than a batch is missing: the candidate gets nothing
        (at(2, phase=Phase.ROLLING_BACK), "c", "xy", 6667),
        (at(2, 1, "ready", phase=Phase.ROLLING_BACK), "", "xy", 10_000),
        (at(0, 3, "ready", phase=Phase.ROLLING_BACK), "", "xyz", 10_000),
    ],
)
def test_weight_is_proportional_to_the_endpoints_in_service(position: Position, old: str, new: str, weight: int | None) -> None:
    assert (list(old), list(new)) == in_service(position, "abc", "xyz")
    assert weight in (None, weight_bp(position))


@pytest.mark.parametrize(("stable", "candidate"), [(3, 5), (5, 3), (1, 4), (4, 1), (2, 2), (1, 1)])
@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.ROLLING_BACK])
@pytest.mark.parametrize("part", ["", "draining", "ready", "slow_start"])
def test_a_version_with_weight_always_has_an_endpoint_in_service(stable: int, candidate: int, phase: Phase, part: str) -> None:
    for moved in range(max(stable, candidate) + 1):
        for moving in range(max(stable, candidate) - moved + 1) if part else (0,):
            position = at(moved, moving, part if moving else "", phase=phase, endpoints=(stable, candidate))
            old, new = in_service(position, [f"s{n}" for n in range(stable)], [f"c{n}" for n in range(candidate)])
            weight = weight_bp(position)

            assert (bool(old) or weight == 10_000, bool(new) or weight == 0) == (True, True), position


@pytest.mark.parametrize(("elapsed_s", "expected"), [(0.0, 1), (9.9, 1), (10.0, 2), (39.0, 4), (99.0, 4)])
def test_a_share_grows_in_quarters(elapsed_s: float, expected: int) -> None:
    position = at(0, 1, "slow_start", step_elapsed_s=elapsed_s, plan=replace(PLAN, rolling=Rolling(slow_start_s=40.0)))

    assert expected == quarters(position)


@pytest.mark.parametrize(
    ("position", "stable", "batch", "leaving", "coming"),
    [
        (at(0), "abc", 1, "a", "a"),
        (at(1), "abc", 2, "bc", "bc"),
        (at(0), "abc", 3, "ab", "ab"),  # never all
        (at(2), "abc", 2, "c", "c"),
        (at(0), "a", 1, "", "a"),
        (at(3, phase=Phase.ROLLING_BACK), "abc", 2, "bc", "bc"),
        (at(1, phase=Phase.ROLLING_BACK), "abc", 2, "a", "a"),
        (at(1, phase=Phase.ROLLING_BACK), "a", 1, "", "a"),
    ],
)
def test_a_batch_takes_as_many_as_may_be_out(position: Position, stable: str, batch: int, leaving: str, coming: str) -> None:
    after = begun(replace(position, plan=replace(PLAN, rolling=Rolling(batch=batch))), stable, stable)

    assert ("draining", tuple(leaving), tuple(coming)) == (after.part, after.leaving, after.coming)


@pytest.mark.parametrize(
    ("position", "back"),
    [
        (at(0, 1, "draining", leaving=("a",), coming=("a",)), None),  # it has not been touched
        (at(1, 1, "draining", leaving=("b",), coming=("b",)), (1, 0, "", (), ())),
        (at(1, 1, "hook", leaving=("b",), coming=("b",)), (1, 1, "draining", (), ("b",))),
        (at(0, 1, "ready", leaving=("a",), coming=("a",)), (0, 1, "draining", (), ("a",))),
        (at(1, 1, "slow_start", leaving=("b",), coming=("b",)), (1, 1, "draining", ("b",), ("b",))),
        (at(2), (2, 0, "", (), ())),
        (at(3, phase=Phase.PROMOTING), (3, 0, "", (), ())),  # every instance is the candidate's
        (at(0, phase=Phase.PROMOTING), None),  # a switch, which is none between versions that share addresses
    ],
)
def test_what_was_replaced_in_its_place_goes_back_by_batches(position: Position, back: object) -> None:
    after = way_back(replace(position, shared=3, plan=replace(PLAN, hooks=HOOK)))

    assert back == (None if after is None else (after.moved, after.moving, after.part, after.leaving, after.coming))


@pytest.mark.parametrize(
    "position",
    [
        at(2, shared=0, plan=replace(PLAN, hooks=HOOK)),
        at(2, shared=3),
    ],
)
def test_without_shared_addresses_or_hooks_it_goes_back_at_once(position: Position) -> None:
    assert way_back(position) is None


def test_past_its_last_batch_is_promotion() -> None:
    assert (Phase.PROMOTING, Phase.PROGRESSING) == (next_step(at(3), 3).phase, next_step(at(2), 3).phase)


SLOW = replace(PLAN, rolling=Rolling(slow_start_s=30.0))
ONE = {"leaving": ("a",), "coming": ("x",)}


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (at(0, endpoints=(0, 0)), "workers to speak of its endpoints"),
        (at(1), ""),
        (at(1, coming=("b",)), "b to be healthy"),
        (at(0, 1, "draining", coming=("x",)), "a look at its endpoints"),
        (at(0, 1, "draining", step_elapsed_s=12.0, **ONE), "a of v1 to end what it has in flight, at most 18 s"),
        (at(0, 1, "ready", step_elapsed_s=12.0, **ONE), "x of v2 to be healthy, at most 48 s"),
        (at(0, 1, "ready", ready_s=4.0, **ONE), "x of v2 to stay healthy for 6 s"),
        (at(0, 1, "ready", phase=Phase.ROLLING_BACK, leaving=("x",), coming=("a",)), "a of v1 to be healthy"),
        (at(0, 1, "draining", phase=Phase.ROLLING_BACK, leaving=("x",)), "x of v2 to end what it has in flight, at most 30 s"),
        (at(0, 1, "hook", phase=Phase.ROLLING_BACK, **ONE), "the before_step hooks to be asked again for x"),
        (at(0, 1, "slow_start", step_elapsed_s=3.0, plan=SLOW, **ONE), "the slow start of x, 27 s"),
    ],
)
def test_every_part_says_what_it_waits_for(position: Position, text: str) -> None:
    assert text == waiting_for(position, None)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (at(0), "before the first batch"),
        (at(2), "2 of 3 endpoints are v2's"),
        (at(0, 1, "draining", **ONE), "endpoint 1 of 3: a gets no new requests"),
        (at(1, 2, "hook", **ONE), "endpoints 2 to 3 of 3: the before_step hooks are asked"),
        (at(0, 1, "slow_start", weight_bp=833, **ONE), "endpoint 1 of 3: x is in service, the candidate has 8.33 %"),
    ],
)
def test_a_batch_is_told_in_words(position: Position, text: str) -> None:
    assert text == where(position)
