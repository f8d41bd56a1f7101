"""The incidents are what their words say."""

from __future__ import annotations

from random import Random

import pytest

from proxy.simulation.incidents import INCIDENTS, MOVED_S, Incident

INNOCENT = [incident for incident in INCIDENTS if incident.innocent]
GUILTY = [incident for incident in INCIDENTS if not incident.innocent]


def test_each_has_a_name_and_words_of_its_own() -> None:
    assert len(INCIDENTS) == len({incident.name for incident in INCIDENTS}) == len({incident.words for incident in INCIDENTS})


@pytest.mark.parametrize("incident", INNOCENT, ids=lambda incident: incident.name)
def test_an_innocent_candidate_is_stable_s_equal(incident: Incident) -> None:
    assert incident.traffic == incident.traffic.equal()


@pytest.mark.parametrize("incident", GUILTY, ids=lambda incident: incident.name)
def test_another_one_is_worse_than_stable(incident: Incident) -> None:
    traffic = incident.traffic

    assert traffic.candidate_errors > traffic.stable_errors or traffic.candidate_latency_s > traffic.stable_latency_s


def test_an_outage_comes_at_another_moment_in_every_rollout_and_is_as_long() -> None:
    shared = next(incident for incident in INCIDENTS if incident.traffic.outage)
    spells = [shared.drawn(Random(seed)).outage for seed in range(50)]

    assert {120.0} == {round(spell.end_s - spell.begin_s, 6) for spell in spells if spell}
    assert len({spell.begin_s for spell in spells if spell}) == 50
    assert all(600.0 <= spell.begin_s < 600.0 + MOVED_S for spell in spells if spell)


def test_so_does_one_of_the_metrics() -> None:
    blind = next(incident for incident in INCIDENTS if incident.traffic.sources_down_s)
    down = blind.drawn(Random(1)).sources_down_s

    assert down is not None
    assert down[1] - down[0] == pytest.approx(60.0)
    assert down != blind.traffic.sources_down_s


def test_nothing_else_is_drawn() -> None:
    assert INCIDENTS[0].traffic == INCIDENTS[0].drawn(Random(1))
