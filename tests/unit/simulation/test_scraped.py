"""What a scraped metrics server knows, and what it does not."""

from __future__ import annotations

import pytest

from proxy.simulation.scraped import Reading, Scraped


def scraped(*samples: tuple[float, float], down: tuple[float, float] | None = None) -> Scraped:
    """(second, requests) each; a tenth of them failed."""
    metrics = Scraped(down)
    for at_s, requests in samples:
        metrics.read(at_s, Reading(requests, requests / 10, 0.0))
    return metrics


def test_an_increase_is_between_the_first_and_the_last_sample_of_the_window() -> None:
    metrics = scraped((10, 100), (25, 130), (40, 170), (55, 200))

    assert Reading(70, 7, 0) == metrics.increase(60, 40)
    assert Reading(30, 3, 0) == metrics.increase(60, 300, last_two=True)


def test_a_sample_at_the_window_s_beginning_is_outside_and_one_at_its_end_inside() -> None:
    metrics = scraped((10, 100), (25, 130), (40, 170))

    assert Reading(40, 4, 0) == metrics.increase(40, 30)


@pytest.mark.parametrize("window_s", [10, 15])
def test_fewer_than_two_samples_are_no_answer(window_s: float) -> None:
    assert scraped((10, 100), (25, 130)).increase(25, window_s) is None


def test_a_counter_that_nothing_incremented_does_not_exist() -> None:
    metrics = scraped((10, 0), (25, 0), (40, 7))

    assert metrics.increase(40, 300) is None


def test_while_it_is_down_it_neither_answers_nor_reads() -> None:
    metrics = scraped((10, 100), (25, 130), (40, 170), (55, 200), down=(20, 50))

    assert [False, True, True, False] == [metrics.is_down(at) for at in (19, 20, 49, 50)]
    assert Reading(100, 10, 0) == metrics.increase(60, 300)
    assert metrics.increase(60, 40) is None
