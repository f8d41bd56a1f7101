"""What refused values of a plan must not cause; the checks' own words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.mistaken import refused

TEXT = """\
listeners: [{name: web, address: 127.0.0.1:8080}]
services:
  shop:
    versions: {v1: {endpoints: [127.0.0.1:9001]}, v2: {endpoints: [127.0.0.1:9002]}}
    target: v1
    rollout: ROLLOUT
routes: [{match: {}, service: shop}]
"""


def wrong(tmp_path: Path, rollout: str) -> list[str]:
    return refused(tmp_path, TEXT.replace("ROLLOUT", rollout), "services.shop.rollout.")


@pytest.mark.parametrize(
    "rollout",
    [
        "{steps: [{weight: 5}, {gate: manual}, {weight: 5}, {weight: 100}]}",
        "{steps: [{shadow: {percent: 20, for: 1m}}, {gate: manual}, {weight: 5}]}",
        "{strategy: blue_green, steps: [{gate: {url: 'http://ci/ok'}}], keep_old: 1m}",
        "{strategy: blue_green}",
        "{strategy: blue_green, hooks: [{on: before_step, url: 'http://a'}]}",
        "{strategy: rolling, batch: 2, on_unhealthy: reverse}",
        "{strategy: shadow, steps: [{shadow: {percent: 1}}, {gate: manual}]}",
        "{freeze: [{from: Fri 16:00, to: Mon 08:00}, {from: Mon 08:00, to: Fri 16:00, zone: Europe/London}]}",
        "{hooks: [{on: before_step, url: 'http://a'}, {on: before_rollout, url: 'http://a'}]}",
    ],
)
def test_a_plan_that_means_something_is_accepted(tmp_path: Path, rollout: str) -> None:
    assert [] == wrong(tmp_path, rollout)


def test_keys_are_not_held_against_a_strategy_that_was_refused(tmp_path: Path) -> None:
    assert ["strategy"] == wrong(tmp_path, "{strategy: roling, batch: 2, keep_old: 1m}")


def test_a_step_after_one_that_was_refused_is_not_first(tmp_path: Path) -> None:
    assert ["steps[0]"] == wrong(tmp_path, "{steps: [nothing, {gate: manual}]}")


def test_a_weight_after_one_that_was_refused_is_not_below_it(tmp_path: Path) -> None:
    assert ["steps[1].weight"] == wrong(tmp_path, "{steps: [{weight: 5}, {weight: much}, {weight: 1}]}")


def test_steps_of_which_one_was_refused_do_not_lack_a_weight(tmp_path: Path) -> None:
    assert ["steps[1].weight"] == wrong(tmp_path, "{steps: [{shadow: {percent: 5}}, {weight: much}]}")


def test_hooks_that_were_refused_are_not_the_same(tmp_path: Path) -> None:
    assert ["hooks[0].url", "hooks[1].url"] == wrong(tmp_path, "{hooks: [{on: before_step, url: a}, {on: before_step, url: a}]}")


def test_the_time_of_shadow_steps_counts_for_the_deadline(tmp_path: Path) -> None:
    assert ["deadline"] == wrong(tmp_path, "{deadline: 5m, steps: [{shadow: {percent: 5, for: 4m}}, {weight: 5, for: 1m}]}")


def test_a_week_in_two_zones_is_not_added_up(tmp_path: Path) -> None:
    windows = "{from: Mon 00:00, to: Thu 00:00}, {from: Thu 00:00, to: Mon 00:00, zone: Asia/Tokyo}"

    assert [] == wrong(tmp_path, f"{{freeze: [{windows}]}}")
