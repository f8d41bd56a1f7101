"""The judges' figures as metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric

from proxy.admin.metrics_judging import judging
from proxy.model.intent import Intent
from proxy.model.rollout import Check, Guard, RolloutPlan, WeightStep
from tests.kit.control_bench import Bench, bench, intent, service

pytestmark = pytest.mark.asyncio

ERRORS = Check("errors", metric="error_rate", max=0.1)


def releasing(*checks: Check, guard: Guard | None = None) -> Intent:
    return intent(service(rollout=RolloutPlan(steps=(WeightStep(1000, 60.0),), checks=checks, guard=guard or Guard())))


def samples(b: Bench, name: str) -> dict[tuple[str, ...], float]:
    """By label values, without the service."""

    def found() -> Iterator[Metric]:
        yield from (family for family in judging(b.control) if family.name == name)

    return {tuple(v for k, v in s.labels.items() if k != "service"): s.value for family in found() for s in family.samples}


async def test_each_kind_has_its_evidence_and_the_threshold_at_which_it_acts_alone() -> None:
    async with bench(releasing(guard=Guard(slow_over_s=0.2))) as b:
        await b.target("v2")
        await b.report(replace(b.cell("v2", ok=30, bad=1), draw_slow=3), b.cell("v1", ok=90))
        evidence, threshold = samples(b, "headgate_guard_evidence"), samples(b, "headgate_guard_threshold")

        assert {("failures",): pytest.approx(math.log(1000 / 0.9)), ("slow",): pytest.approx(math.log(10_000))} == threshold
        assert (True, True) == (evidence["failures",] > 0, evidence["slow",] > evidence["failures",])


async def test_a_guard_without_slow_answers_has_one_kind() -> None:
    async with bench(releasing(guard=Guard(slow_over_s=None))) as b:
        assert {("failures",): pytest.approx(math.log(1000))} == samples(b, "headgate_guard_threshold")


async def test_a_check_has_one_result_and_its_value() -> None:
    async with bench(releasing(ERRORS)) as b:
        await b.target("v2")
        await b.after(12, b.cell("v2", ok=19, bad=1), b.cell("v1", ok=95, bad=5))

        assert {("errors", "pass"): 1, ("errors", "fail"): 0, ("errors", "no_data"): 0, ("errors", "error"): 0} == samples(
            b, "headgate_check_result"
        )
        assert {("errors",): pytest.approx(0.05)} == samples(b, "headgate_check_value")


async def test_a_check_without_a_result_has_no_value() -> None:
    async with bench(releasing(ERRORS)) as b:
        await b.target("v2")
        await b.after(1)

        assert ({}, 1) == (samples(b, "headgate_check_value"), samples(b, "headgate_check_result")["errors", "no_data"])


async def test_where_nothing_is_tried_there_is_neither_evidence_nor_a_check() -> None:
    async with bench(releasing(ERRORS)) as b:
        names = ("headgate_guard_evidence", "headgate_check_result", "headgate_check_value")

        assert [{}, {}, {}] == [samples(b, name) for name in names]
