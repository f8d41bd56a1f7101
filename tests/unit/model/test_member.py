from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.member import member, sendable


@pytest.mark.parametrize(("key", "step"), [("a", ".a"), ("a_b-c", ".a_b-c"), ("a b", '["a b"]'), ("1a", '["1a"]'), ("", '[""]')])
def test_a_member_that_is_no_plain_word_is_quoted_in_its_path(key: str, step: str) -> None:
    assert member(key) == step


def test_a_long_name_is_cut() -> None:
    assert '["' + "a" * (limits.DIFFERENCE_CHARS_MAX - 1) + "]" == member("a" * (limits.DIFFERENCE_CHARS_MAX + 1))


def test_half_of_a_surrogate_pair_is_a_question_mark() -> None:
    assert ["a?b", '["a?b"]'] == [sendable("a\ud800b"), member("a\ud800b")]
