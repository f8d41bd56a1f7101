"""What refused values of copies and schemas must not cause; the checks' own words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.mistaken import refused

TEXT = """\
listeners: [{name: web, address: 127.0.0.1:8080}]
services:
  shop:
    versions: {v1: {endpoints: [127.0.0.1:9001]}, v2: {endpoints: [127.0.0.1:9002], schema: {runs_on: [13, 14]}}}
    SERVICE
routes: [{match: {}, service: shop}]
"""


def wrong(tmp_path: Path, service: str) -> list[str]:
    return refused(tmp_path, TEXT.replace("SERVICE", service.replace("\n", "\n    ")), "services.shop.")


@pytest.mark.parametrize(
    "service",
    [
        "target: v2\nschema: 13",
        "target: v1\nschema: 99",
        "traffic: {v1: 1, v2: 0}\nschema: 99",
        "target: v1\nschema: 13\nshadow: {version: v2, percent: 0.5, noise: v1}",
        "target: v1\nschema: 13\nshadow: {timeout: 1s}\nrollout: {steps: [{shadow: {percent: 5}}, {weight: 5}]}",
    ],
)
def test_what_means_something_is_accepted(tmp_path: Path, service: str) -> None:
    assert [] == wrong(tmp_path, service)


def test_a_version_that_was_refused_is_not_missing(tmp_path: Path) -> None:
    assert ["shadow.version"] == wrong(tmp_path, "target: v1\nschema: 13\nshadow: {version: [v2], percent: 5}")


def test_a_plan_that_was_refused_may_have_meant_copies(tmp_path: Path) -> None:
    rollout = "rollout: {steps: [{shadow: some}]}"

    assert ["rollout.steps[0].shadow"] == wrong(tmp_path, f"target: v1\nschema: 13\nshadow: {{timeout: 1s}}\n{rollout}")


def test_a_schema_that_was_refused_is_not_left_unsaid(tmp_path: Path) -> None:
    assert ["schema"] == wrong(tmp_path, "target: v1\nschema: new")
