"""Endpoints taken out by what requests met there."""

from __future__ import annotations

from proxy import limits
from proxy.dataplane.ejection import Ejector, Record
from proxy.model.service import Ejection


class Endpoint:
    """Remembers until when it was ejected, each time."""

    def __init__(self) -> None:
        self.record = Record()
        self.times: list[float] = []

    def ejected(self, until: float) -> None:
        self.times.append(until)


def endpoints(count: int, **plan: float) -> tuple[Ejector, list[Endpoint]]:
    ejector = Ejector(Ejection(**plan))  # type: ignore[arg-type]  # numbers of either kind
    judged = [Endpoint() for _ in range(count)]
    ejector.judged = judged
    return ejector, judged


def fails(ejector: Ejector, endpoint: Endpoint, times: int, now: float) -> None:
    for _ in range(times):
        ejector.saw(endpoint, False, now)


def test_failures_in_a_row_eject() -> None:
    ejector, (one, _) = endpoints(2, failures=3, time_s=30.0)
    fails(ejector, one, 3, 100.0)

    assert [130.0] == one.times


def test_a_success_between_begins_the_row_anew() -> None:
    ejector, (one, _) = endpoints(2, failures=3)
    fails(ejector, one, 2, 100.0)
    ejector.saw(one, True, 100.0)
    fails(ejector, one, 2, 100.0)

    assert [] == one.times


def test_it_stays_out_twice_as_long_each_time_up_to_the_longest() -> None:
    ejector, (one, _) = endpoints(2, failures=1, time_s=30.0, max_time_s=100.0)
    for now in (0.0, 1000.0, 2000.0, 3000.0):
        ejector.saw(one, False, now)

    assert [30.0, 1060.0, 2100.0, 3100.0] == one.times


def test_no_more_than_the_share_is_out_at_a_time() -> None:
    ejector, judged = endpoints(4, failures=1)
    for endpoint in judged:
        ejector.saw(endpoint, False, 0.0)

    assert [1, 1, 0, 0] == [len(endpoint.times) for endpoint in judged]


def test_the_only_endpoint_is_never_ejected() -> None:
    ejector, (one,) = endpoints(1, failures=1)
    fails(ejector, one, 9, 0.0)

    assert [] == one.times


def outlier(count: int, requests: int) -> list[int]:
    """How often each of ``count`` endpoints was ejected when the first fails every other request, and time goes on."""
    ejector, judged = endpoints(count, failures=1000)
    ejector.saw(judged[-1], True, 0.0)  # opens the window
    for index, endpoint in enumerate(judged):
        for number in range(requests):
            ejector.saw(endpoint, index > 0 or number % 2 == 0, 1.0)
    ejector.saw(judged[-1], True, limits.EJECTION_WINDOW_S)
    return [len(endpoint.times) for endpoint in judged]


def test_a_success_rate_far_below_the_others_ejects() -> None:
    assert [1, 0, 0, 0, 0] == outlier(5, limits.EJECTION_REQUESTS_MIN)


def test_four_endpoints_have_no_outlier() -> None:
    assert [0, 0, 0, 0] == outlier(4, limits.EJECTION_REQUESTS_MIN)


def test_few_requests_say_nothing_of_a_success_rate() -> None:
    assert [0, 0, 0, 0, 0] == outlier(5, limits.EJECTION_REQUESTS_MIN - 1)


def test_good_windows_take_the_back_off_back() -> None:
    ejector, (one, _) = endpoints(2, failures=1, time_s=10.0)
    ejector.saw(one, False, 0.0)
    for now in (100.0, 200.0):
        ejector.saw(one, True, now)
    ejector.saw(one, False, 201.0)

    assert [10.0, 211.0] == one.times
