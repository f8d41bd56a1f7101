"""The world around a simulated rollout: what it answers, and what is said of that."""

from __future__ import annotations

import pytest

from proxy.analysis.checks import Observed, held_against
from proxy.model.rollout import Check, FreezeWindow, Hook, HttpQuery, PrometheusQuery, RolloutPlan
from proxy.rollout.events import Ask, Heard
from proxy.simulation.outside import assumptions, endpoints, heard, observed
from proxy.simulation.traffic import Traffic

QUERY = PrometheusQuery("http://127.0.0.1:9090", "up")
CHECKS = (
    Check("most", prometheus=QUERY, max=0.3),
    Check("least", prometheus=QUERY, min=7.0),
    Check("both", prometheus=QUERY, min=1.0, max=2.0),
    Check("answers", http=HttpQuery("http://127.0.0.1/")),
    Check("value", http=HttpQuery("http://127.0.0.1/", "$.n"), min=2.0),
)
TRAFFIC = Traffic(1.0, 0.0, 0.0, sources_down_s=(60.0, 120.0))


def test_whoever_is_asked_says_yes() -> None:
    assert Heard("1/0/before_step", ok=True, reason="before_step: taken for granted in a simulation") == heard(
        Ask("before_step", "1/0/before_step")
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_a_source_tells_is_within_the_limits(check: Check) -> None:
    (found,) = observed([check], TRAFFIC, 59.9)

    assert "pass" == held_against(check, found).result


def test_while_sources_are_down_they_cannot_be_asked() -> None:
    assert [["error"] * 5, ["error"] * 5, ["pass"] * 5] == [
        [held_against(check, found).result for check, found in zip(CHECKS, observed(CHECKS, TRAFFIC, at), strict=True)]
        for at in (60.0, 119.9, 120.0)
    ]


def test_without_an_outage_they_always_answer() -> None:
    assert [Observed("most", 60.0, value=0.3)] == observed(CHECKS[:1], Traffic(1.0, 0.0, 0.0), 60.0)


def test_endpoints_are_healthy_where_a_strategy_looks_at_them() -> None:
    assert () == endpoints(RolloutPlan(), 3)
    levels = endpoints(RolloutPlan(strategy="blue_green"), 3)

    assert ["stable"] * 3 + ["candidate"] * 3 == [level.version for level in levels]
    assert all(level.healthy and level.in_flight == 0 for level in levels)


def test_what_is_taken_for_granted_is_said() -> None:
    plan = RolloutPlan(
        strategy="blue_green",
        checks=(*CHECKS[:2], Check("shadow", metric="shadow_mismatch_rate", max=0.1), Check("own", metric="error_rate", max=0.1)),
        hooks=(Hook("before_step", "http://127.0.0.1/"),),
        freeze=(FreezeWindow(0, 60),),
    )

    said = assumptions(plan)

    assert ["checks that ask", "every copy's answer", "every hook answers", "no freeze window", "blue_green: its endpoints"] == [
        " ".join(sentence.split()[:3]) for sentence in said
    ]
    assert "(most, least)" in said[0]
    assert [] == list(assumptions(RolloutPlan()))
