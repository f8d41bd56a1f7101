from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.config.places import ConfigInvalid, Mistake, Mistakes, Place, parsed, shown

KEYS = st.text(st.characters(codec="ascii", exclude_characters='"', exclude_categories=("Cc",)), min_size=1)
PATHS = st.builds(lambda first, rest: (first, *rest), KEYS, st.lists(KEYS | st.integers(0, 999_999)))


@given(PATHS)
def test_a_key_path_reads_back_as_it_is_shown(path: tuple[str | int, ...]) -> None:
    assert path == parsed(shown(path))


def test_a_key_path_is_shown_as_people_write_it() -> None:
    assert "services.shop.rollout.steps[2].weight" == shown(("services", "shop", "rollout", "steps", 2, "weight"))


def test_a_key_with_a_dot_stands_in_quotes() -> None:
    assert 'services.shop.versions."2.3.0".labels' == shown(("services", "shop", "versions", "2.3.0", "labels"))


@pytest.mark.parametrize("text", ["", ".a", "a..b", "[0]", "a[x]", "a[", 'a."b', "a b", "a[0]b"])
def test_what_is_no_key_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key path"):
        parsed(text)


def test_a_mistake_names_place_key_and_text() -> None:
    assert "f.yaml:3:7: services.shop: is bad" == str(Mistake("f.yaml", 3, 7, "services.shop", "is bad"))


def test_a_mistake_of_a_whole_file_has_no_line_and_no_key() -> None:
    assert "f.yaml: cannot be read" == str(Mistake("f.yaml", 0, 0, "", "cannot be read"))


def test_mistakes_are_sorted_by_position_and_overrides_come_last() -> None:
    late, early, override = Mistake("f", 10, 1, "b", "x"), Mistake("f", 9, 5, "a", "x"), Mistake("--set", 0, 0, "c", "x")

    assert (early, late, override) == ConfigInvalid([override, late, early]).mistakes


def test_the_same_mistake_is_told_once() -> None:
    mistake = Mistake("f", 1, 1, "a", "x")

    assert (mistake,) == ConfigInvalid([mistake, mistake]).mistakes


def test_more_mistakes_than_are_told_are_counted() -> None:
    invalid = ConfigInvalid(Mistake("f", line, 1, "a", "x") for line in range(1, limits.CONFIG_MISTAKES_MAX + 4))

    assert (limits.CONFIG_MISTAKES_MAX, 3) == (len(invalid.mistakes), invalid.untold)
    assert str(invalid).endswith("\nand 3 more mistakes")


def test_no_mistakes_raise_nothing() -> None:
    Mistakes().raise_if_any()


def test_the_nearest_word_is_guessed() -> None:
    assert "did you mean target? Allowed: target, traffic" == Mistakes().nearest("tagret", ["target", "traffic"])


def test_nothing_near_guesses_nothing() -> None:
    assert "allowed: target" == Mistakes().nearest("zzz", ["target"])


def test_at_most_twenty_words_are_listed() -> None:
    assert Mistakes().nearest("zzz", [f"v{n}" for n in range(23)]).endswith("v19 and 3 more")


def test_nothing_is_guessed_once_there_are_more_mistakes_than_are_told() -> None:
    mistakes = Mistakes()
    for _ in range(limits.CONFIG_MISTAKES_MAX):
        mistakes.add(Place("f"), (), "x")

    assert "allowed: target" == mistakes.nearest("tagret", ["target"])
