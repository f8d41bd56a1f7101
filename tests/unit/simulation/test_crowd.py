"""People whom errors strike: how many fail, on which version, how often, and what the guard's counting makes of them."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import msgspec
import pytest

from proxy.model.rollout import RolloutPlan, WeightStep
from proxy.simulation.crowd import PAGES, Crowd, flow_of
from proxy.simulation.play import play
from proxy.simulation.traffic import Spell, Traffic, Until

MANY = Traffic(rps=100.0, stable_errors=0.05, candidate_errors=0.05, users=20_000)
BOUND_S = 0.3


def crowd(traffic: Traffic = MANY, seed: int = 1) -> tuple[Crowd, Random]:
    chance = Random(seed)
    return Crowd(traffic, chance), chance


def test_without_users_the_flow_is_the_traffic_itself() -> None:
    traffic = Traffic(1.0, 0.0, 0.0)

    assert traffic is flow_of(traffic, Random(1))
    assert isinstance(flow_of(MANY, Random(1)), Crowd)


def test_as_many_requests_fail_as_the_error_rate_says() -> None:
    """Over ten rollouts: struck users come in sessions, so a single one strays far."""
    failed = requests = 0
    for seed in range(10):
        people, chance = crowd(seed=seed)
        _, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until())
        failed += counts.candidate_failed + counts.stable_failed
        requests += counts.candidate_good + counts.stable_good + counts.candidate_failed + counts.stable_failed

    assert requests == pytest.approx(1_800_000, rel=0.02)
    assert failed / requests == pytest.approx(0.05, rel=0.1)


def test_failures_come_many_to_a_user() -> None:
    people, chance = crowd()
    _, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until())
    per_user = Counter(counts.stable_users)

    assert counts.stable_failed == len(counts.stable_users)
    assert counts.stable_failed / len(per_user) > PAGES / 2


def test_a_user_is_the_candidate_s_below_the_share_and_stable_s_above() -> None:
    people, chance = crowd()
    _, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until())

    assert max(counts.candidate_users) < 5000 <= min(counts.stable_users)


def test_whom_an_equal_candidate_fails_stable_had_failed_before() -> None:
    """In twenty hours all of them come, with both: one begins a session every 4,000 s."""
    people, chance = crowd()
    _, before = people.pass_time(chance, 0.0, 72_000.0, 0.0, Until())
    _, after = people.pass_time(chance, 72_000.0, 144_000.0, 1.0, Until())

    assert set(before.stable_users) == set(after.candidate_users)


def test_a_worse_candidate_fails_those_that_stable_fails_and_others() -> None:
    people, chance = crowd(Traffic(100.0, 0.05, 0.2, users=500))
    _, before = people.pass_time(chance, 0.0, 3600.0, 0.0, Until())
    _, after = people.pass_time(chance, 3600.0, 7200.0, 1.0, Until())

    assert set(before.stable_users) < set(after.candidate_users)
    assert len(set(after.candidate_users)) == pytest.approx(100, rel=0.35)


def test_time_stops_at_the_failure_of_a_user_who_has_not_failed_before() -> None:
    people, chance = crowd()
    stop, counts = people.pass_time(chance, 0.0, 36_000.0, 0.25, Until(5))

    assert (5, True) == (len(set(counts.candidate_users)), stop < 36_000.0)
    assert 1 == counts.candidate_users.count(counts.candidate_users[-1])


def test_a_user_who_failed_on_stable_is_no_new_one_on_the_candidate() -> None:
    people, chance = crowd()
    people.pass_time(chance, 0.0, 72_000.0, 0.0, Until())
    stop, counts = people.pass_time(chance, 72_000.0, 73_800.0, 1.0, Until(1))

    assert (73_800.0, True) == (stop, counts.candidate_failed > 100)


def test_nobody_is_struck_where_nothing_fails() -> None:
    people, chance = crowd(Traffic(100.0, 0.0, 0.0, users=100))
    stop, counts = people.pass_time(chance, 0.0, 100.0, 0.5, Until(1))

    assert (100.0, [], 0) == (stop, counts.candidate_users, people.hurt())


def test_an_outage_strikes_people_while_it_lasts() -> None:
    people, chance = crowd(Traffic(100.0, 0.0, 0.0, users=1000, outage=Spell(100.0, 160.0, 0.5)))
    failed = [people.pass_time(chance, begin, end, 0.5, Until())[1].stable_failed for begin, end in ((0, 100), (100, 160), (160, 300))]

    assert (0, True, 0) == (failed[0], failed[1] > 500, failed[2])


def test_fewer_come_while_there_is_less_traffic() -> None:
    night = Traffic(100.0, 0.1, 0.1, users=2000, quiet_rps=10.0, begins_s=3.5 * 3600)
    people, chance = crowd(night)
    _, counts = people.pass_time(chance, 0.0, 3600.0, 0.0, Until())

    assert counts.stable_failed == pytest.approx(10 * 3600 * 0.1, rel=0.35)


def test_who_has_met_the_candidate_is_who_came_while_it_had_their_share() -> None:
    """Each of 20,000 users begins a session of 95 s every 4,000 s: in 1,800 s 38 % come, those included who had begun before."""
    people, chance = crowd()
    people.pass_time(chance, 0.0, 1800.0, 0.1, Until())
    first = people.met()
    people.pass_time(chance, 1800.0, 3600.0, 0.5, Until())
    unseen = math.exp(-(1800 + 95) / 4000)

    assert first == pytest.approx(2000 * (1 - unseen))
    assert people.met() == pytest.approx(8000 * (1 - unseen) + 2000 * (1 - unseen * math.exp(-1800 / 4000)))


@pytest.mark.parametrize("until_s", [1.0, 10.0, 600.0])
def test_whom_a_candidate_fails_is_whom_it_met_where_it_fails_everybody(until_s: float) -> None:
    """Also in the first second, when those come who were in the midst of a session."""
    met = hurt = 0.0
    for seed in range(20):
        people, chance = crowd(Traffic(100.0, 0.0, 1.0, users=2000), seed)
        people.pass_time(chance, 0.0, until_s, 0.5, Until())
        met += people.met()
        hurt += people.hurt()

    assert hurt == pytest.approx(met, rel=0.1)


def test_who_was_hurt_is_counted_once() -> None:
    people, chance = crowd()
    _, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until())

    assert len(set(counts.candidate_users)) == people.hurt()


def test_answers_are_slow_as_they_are_without_people() -> None:
    traffic = Traffic(100.0, 0.0, 0.0, users=100, stable_latency_s=0.1, candidate_latency_s=0.2)
    people, chance = crowd(traffic)
    _, counts = people.pass_time(chance, 0.0, 1e4, 0.25, Until(slow_over_s=BOUND_S))
    _, expected = traffic.pass_time(chance, 0.0, 1e4, 0.25, Until(slow_over_s=BOUND_S))

    assert counts.candidate_slow == pytest.approx(expected.candidate_slow, rel=0.05)
    assert counts.stable_slow == pytest.approx(expected.stable_slow, rel=0.05)


SLOW = Traffic(100.0, 0.0, 0.0, users=100_000, stable_latency_s=0.1, candidate_latency_s=0.3)


def test_time_stops_at_a_slow_answer_as_it_does_without_people() -> None:
    """Half of the candidate's 25 answers a second are slow, so that the fiftieth comes after 4 s."""
    stops, answers = [], 0
    for seed in range(200):
        people, chance = crowd(SLOW, seed)
        stop, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until(slow=50, slow_over_s=BOUND_S))
        stops.append(stop)
        answers += counts.candidate_good
        assert 50 == counts.candidate_slow

    assert sum(stops) / 200 == pytest.approx(4.0, rel=0.05)
    assert answers / sum(stops) == pytest.approx(25.0, rel=0.05)


def test_slow_answers_are_those_before_a_failure_that_stops_time_first() -> None:
    slow = late = 0
    seconds = 0.0
    for seed in range(200):
        people, chance = crowd(msgspec.structs.replace(SLOW, candidate_errors=0.05, stable_errors=0.05), seed)
        stop, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until(failures=3, slow=200, slow_over_s=BOUND_S))
        seconds += stop
        slow += counts.candidate_slow
        late += counts.candidate_slow == 200

    assert 0 < late < 50, "most stop at a failure, and some at an answer"
    assert slow / seconds == pytest.approx(12.5 * 0.95, rel=0.05)


def test_slow_answers_before_a_change_of_rates_count_toward_those_at_which_time_stops() -> None:
    """The candidate is slower from 2 s on; half of the answers before are slow too, by the bound that is asked."""
    people, chance = crowd(msgspec.structs.replace(SLOW, onset_s=2.0))
    stop, counts = people.pass_time(chance, 0.0, 1800.0, 0.25, Until(slow=50, slow_over_s=0.1))

    assert (50, True) == (counts.candidate_slow, 2.0 < stop < 10.0)


def test_a_slow_candidate_is_found_as_soon_as_without_people() -> None:
    """A step is not waited out before anybody looks."""
    plan = RolloutPlan(steps=(WeightStep(1000, for_s=1800.0),))

    def median_s(traffic: Traffic) -> float:
        return sorted(play(plan, traffic, Random(seed), gates="pass", cause="status_5xx", horizon_s=7200.0).at_s for seed in range(20))[
            10
        ]

    assert median_s(SLOW) == pytest.approx(median_s(msgspec.structs.replace(SLOW, users=0)), rel=0.05)
