"""What refused values of checks must not cause; the checks' own words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.mistaken import refused

TEXT = """\
listeners: [{name: web, address: 127.0.0.1:8080}]
services:
  shop:
    versions: {v1: {endpoints: [127.0.0.1:9001]}}
    target: v1
    rollout: {ROLLOUT}
routes: [{match: {}, service: shop}]
"""


def wrong(tmp_path: Path, rollout: str) -> list[str]:
    return refused(tmp_path, TEXT.replace("ROLLOUT", rollout), "services.shop.rollout.")


@pytest.mark.parametrize(
    "check",
    [
        "metric: error_rate, max: 1%",
        "metric: latency_p99, max_ratio: 1.3",
        "metric: latency_p90, max_delta: 20ms, window: 1m",
        "metric: requests_per_second, min: 3, max: 3",
        "http: {url: 'https://a/ok'}",
        "http: {url: 'https://a/ok', value: $, max: 0}",
        "prometheus: {address: 'http://127.0.0.1:9090/prom', query: up, min: -0.5}",
    ],
)
def test_a_check_that_can_fail_is_accepted(tmp_path: Path, check: str) -> None:
    assert [] == wrong(tmp_path, f"checks: [{{name: a, {check}}}]")


def test_copies_are_compared_in_a_shadow_step_only(tmp_path: Path) -> None:
    check = "checks: [{name: a, metric: shadow_mismatch_rate, max: 0}]"

    assert ["checks[0].metric"] == wrong(tmp_path, check)
    assert [] == wrong(tmp_path, f"{check}, steps: [{{shadow: {{percent: 5}}}}, {{weight: 5}}]")


@pytest.mark.parametrize("strategy", ["blue_green", "shadow"])
def test_a_candidate_without_requests_cannot_be_measured(tmp_path: Path, strategy: str) -> None:
    plan = f"strategy: {strategy}, steps: [{{shadow: {{percent: 5}}}}]"
    check = "checks: [{name: a, metric: error_rate, max: 1%}]"

    assert [["checks[0].metric"], []] == [wrong(tmp_path, f"{plan}, {check}"), wrong(tmp_path, f"strategy: rolling, {check}")]


def test_a_limit_of_a_metric_that_was_refused_is_not_read(tmp_path: Path) -> None:
    assert ["checks[0].metric"] == wrong(tmp_path, "checks: [{name: a, metric: errors, max: 5s}]")


def test_a_limit_that_was_refused_is_not_missing(tmp_path: Path) -> None:
    assert ["checks[0].max_ratio"] == wrong(tmp_path, "checks: [{name: a, metric: error_rate, max_ratio: much}]")


def test_a_query_that_was_refused_does_not_lack_a_limit(tmp_path: Path) -> None:
    assert ["checks[0].http.url"] == wrong(tmp_path, "checks: [{name: a, http: {url: here, value: $.a}}]")


def test_names_that_were_refused_are_not_the_same(tmp_path: Path) -> None:
    both = "{name: a b, metric: error_rate, max: 1%}, {name: a b, metric: error_rate, max: 1%}"

    assert ["checks[0].name", "checks[1].name"] == wrong(tmp_path, f"checks: [{both}]")


def test_failures_that_only_a_dry_run_could_make_are_not_counted_on(tmp_path: Path) -> None:
    dry = "{name: a, metric: error_rate, max: 1%, dry_run: true}"

    assert [] == wrong(tmp_path, f"checks: [{dry}], failure_limit: 9, failure_window: 10s")


def test_failures_of_several_checks_are_not_added_up(tmp_path: Path) -> None:
    checks = ", ".join(f"{{name: {name}, metric: error_rate, max: 1%}}" for name in "abc")

    assert ["failure_limit"] == wrong(tmp_path, f"checks: [{checks}], failure_limit: 2, failure_window: 10s")


def test_the_interval_is_the_pace_of_a_switch_as_well(tmp_path: Path) -> None:
    assert [] == wrong(tmp_path, "strategy: blue_green, interval: 1s")


def test_a_query_and_a_url_may_name_the_rollout(tmp_path: Path) -> None:
    asked = "prometheus: {address: 'http://prometheus', query: 'up{v=\"{{candidate}}\"}', min: 1}"
    other = "http: {url: 'http://{{candidate}}.{{service}}.internal/{{stable}}?r={{rollout}}'}"

    assert [] == wrong(tmp_path, f"checks: [{{name: a, {asked}}}, {{name: b, {other}}}]")


def test_a_url_that_names_something_else_is_refused(tmp_path: Path) -> None:
    assert ["checks[0].http.url"] == wrong(tmp_path, "checks: [{name: a, http: {url: 'http://{{version}}/ready'}}]")
