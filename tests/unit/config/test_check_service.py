"""What refused values of a service must not cause; the checks' own words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.mistaken import refused

TEXT = """\
listeners: [{name: web, address: 127.0.0.1:8080}]
services:
  shop:
    versions: {v1: {endpoints: [127.0.0.1:9001]}, v2: {endpoints: [127.0.0.1:9002]}}
    SERVICE
routes: [{match: {}, service: shop}]
"""


def wrong(tmp_path: Path, service: str, text: str = TEXT) -> list[str]:
    return refused(tmp_path, text.replace("SERVICE", service.replace("\n", "\n    ")), "services.shop.")


def test_a_target_that_was_refused_is_still_a_target(tmp_path: Path) -> None:
    assert ["target"] == wrong(tmp_path, "target: [v1]")


def test_a_version_that_was_refused_is_still_a_version(tmp_path: Path) -> None:
    assert ["versions.v1.endpoints[0]"] == wrong(tmp_path, "target: v1", TEXT.replace("127.0.0.1:9001", "9001"))


def test_traffic_with_a_refused_weight_is_not_all_zero(tmp_path: Path) -> None:
    assert ["traffic.v2"] == wrong(tmp_path, "traffic: {v1: 0, v2: some}")


def test_a_sticky_name_that_was_refused_is_not_missing(tmp_path: Path) -> None:
    assert ["sticky.name"] == wrong(tmp_path, "target: v1\nsticky: {by: cookie, name: []}")


@pytest.mark.parametrize("sticky", ["{by: cookie, name: 'a=b'}", "{by: header, name: 'a b'}"])
def test_a_sticky_name_has_the_form_of_its_kind(tmp_path: Path, sticky: str) -> None:
    assert ["sticky.name"] == wrong(tmp_path, f"target: v1\nsticky: {sticky}")


def test_an_override_whose_match_was_refused_is_not_empty(tmp_path: Path) -> None:
    assert ["overrides[0].match.path"] == wrong(tmp_path, "target: v1\noverrides: [{match: {path: a}, version: v2}]")


def test_a_deadline_is_not_compared_with_steps_that_were_refused(tmp_path: Path) -> None:
    rollout = "target: v1\nrollout: {deadline: 1m, steps: [{weight: 5, for: long}, {weight: 6, for: 2m}]}"

    assert ["rollout.steps[0].for"] == wrong(tmp_path, rollout)


def test_a_step_whose_weight_was_refused_is_not_empty(tmp_path: Path) -> None:
    assert ["rollout.steps[0].weight"] == wrong(tmp_path, "target: v1\nrollout: {steps: [{weight: 101, for: 1m}]}")


def test_of_traffic_and_target_the_later_one_is_the_mistake(tmp_path: Path) -> None:
    assert ["target"] == wrong(tmp_path, "traffic: {v1: 1}\ntarget: v1")
