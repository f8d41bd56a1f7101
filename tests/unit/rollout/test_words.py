from __future__ import annotations

import pytest

from proxy.rollout.words import duration, listed, percent, said_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.2, "1 s"), (41, "41 s"), (59.5, "1m0s"), (300, "5m0s"), (3599, "59m59s"), (7200, "2h0m0s"), (90061, "25h1m1s")],
)
def test_a_duration_is_written_in_its_largest_units_and_rounded_up(seconds: float, text: str) -> None:
    assert text == duration(seconds)


@pytest.mark.parametrize(("weight_bp", "text"), [(500, "5 %"), (25, "0.25 %"), (10_000, "100 %"), (1, "0.01 %")])
def test_a_weight_is_written_in_percent_without_needless_zeros(weight_bp: int, text: str) -> None:
    assert text == percent(weight_bp)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), "nothing"),
        (("a",), "a"),
        (("a", "b"), "a and b"),
        (("a", "b", "c"), "a, b and c"),
        (("a", "b", "c", "d"), "a, b and 2 more"),
    ],
)
def test_names_are_listed_as_people_do_and_never_at_length(names: tuple[str, ...], text: str) -> None:
    assert text == listed(names)


@pytest.mark.parametrize(("names", "text"), [(("a",), "a is ill"), (("a", "b"), "a and b are ill")])
def test_one_is_and_several_are(names: tuple[str, ...], text: str) -> None:
    assert text == said_of(names, "is", "ill")
