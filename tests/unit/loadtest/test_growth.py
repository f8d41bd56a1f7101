from __future__ import annotations

import pytest

from loadtest.growth import FDS_MAX, Growth, Sample, growth


def samples(slope: float = 0.0, fds: float = 0.0, warm_up_mib: float = 0.0) -> list[Sample]:
    """Twenty looks in five million requests; growth in MiB and descriptors a million."""
    return [
        Sample(at * 250_000, at * 10.0, 40 + slope * at / 4 + (warm_up_mib if at >= 2 else 0.0), 100 + round(fds * at / 4))
        for at in range(1, 21)
    ]


def test_a_straight_line_has_its_slope() -> None:
    assert pytest.approx(2.5) == growth(samples(slope=2.5)).slope


def test_what_grows_in_the_warm_up_does_not_count() -> None:
    assert pytest.approx(0.0) == growth(samples(warm_up_mib=30.0)).slope


@pytest.mark.parametrize(("slope", "fds", "holds"), [(0.9, 0, True), (1.1, 0, False), (-3.0, 0, True), (0.0, 20, False)])
def test_growth_of_memory_or_of_descriptors_fails(slope: float, fds: float, holds: bool) -> None:
    assert holds == growth(samples(slope, fds)).holds


def test_a_few_descriptors_more_are_clients_of_the_moment() -> None:
    assert (True, False) == (Growth(0, 40, 40, FDS_MAX).holds, Growth(0, 40, 40, FDS_MAX + 1).holds)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="5 samples after the warm-up, but a line wants 6"):
        growth(samples()[:5])


def test_requests_that_do_not_advance_are_refused() -> None:
    with pytest.raises(ValueError, match="no request was answered"):
        growth([Sample(1000, at, 40.0, 100) for at in range(10)])
