"""Incidents under policies: what is counted as caught, missed, wrong and hit."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.errors import OperatorError
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.simulation.comparison import COMPARED, Outcome, compare
from proxy.simulation.incidents import INCIDENTS, Incident
from proxy.simulation.traffic import Traffic

PLAN = RolloutPlan(steps=(WeightStep(500, 300.0), WeightStep(5000, 300.0)))
BROKEN, NIGHT = INCIDENTS[0], INCIDENTS[-1]


def outcome(policy: str, incident: Incident, runs: int = 5, seed: int = 1) -> Outcome:
    (row,) = compare(PLAN, runs=runs, seed=seed, policies=(policy,), incidents=(incident,))
    (found,) = row.outcomes
    return found


def test_every_incident_has_a_row_with_every_policy() -> None:
    rows = compare(PLAN, runs=1, seed=1, incidents=INCIDENTS[:2])

    assert [incident.words for incident in INCIDENTS[:2]] == [row.words for row in rows]
    assert [list(COMPARED)] * 2 == [[outcome.policy for outcome in row.outcomes] for row in rows]


@pytest.mark.parametrize("policy", COMPARED)
def test_a_broken_candidate_is_rolled_back_by_all_but_those_that_look_too_seldom(policy: str) -> None:
    found = outcome(policy, BROKEN)

    assert (0.0, 0.0) == (found.wrongly, found.held)
    assert found.rolled_back == (0.0 if policy == "argo" else 1.0)  # the 10 minutes of this plan are over before it acts
    assert (found.after_s is None) == (found.rolled_back == 0.0)


def test_headgate_finds_it_within_seconds() -> None:
    found = outcome("headgate", BROKEN)

    assert found.after_s is not None
    assert found.after_s.most < 10.0


def test_an_innocent_candidate_cannot_be_missed() -> None:
    found = outcome("flagger-tuned", NIGHT)

    assert (None, None, None) == (found.rolled_back, found.after_s, found.hit)
    assert (1.0, True) == (found.wrongly, "no values found" in found.why)


def test_a_rollback_before_the_onset_is_wrong_and_no_catch() -> None:
    late = replace(NIGHT, innocent=False, traffic=Traffic(0.2, 0.0, 1.0, onset_s=5000.0))

    assert 0.0 == outcome("argo-tuned", late).rolled_back


def test_late_answers_are_hits_where_latency_is_the_incident() -> None:
    slow = next(incident for incident in INCIDENTS if incident.name == "slow")
    found = outcome("argo-tuned", slow)

    assert found.hit is not None
    assert found.hit.median > 50


def test_the_same_seed_makes_the_same_rows() -> None:
    assert outcome("headgate", BROKEN) == outcome("headgate", BROKEN)
    assert outcome("headgate", BROKEN) != outcome("headgate", BROKEN, seed=2)


def test_a_plan_without_weights_is_refused() -> None:
    with pytest.raises(OperatorError, match="need a plan with weight steps"):
        compare(RolloutPlan(steps=(GateStep(),)), runs=1, seed=1)
