from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.environment import Environment, Unset, escaped


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${A}z", "xoneyonez"),
        ("${B:-two}", "two"),
        ("${A:-two}", "one"),
        ("${EMPTY}", ""),
        ("${EMPTY:-two}", "two"),
        ("${B:-}", ""),
        ("${B:-127.0.0.1:80}", "127.0.0.1:80"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A and $ and $$", "$A and $ and $$"),
    ],
)
def test_references_are_replaced(text: str, wanted: str) -> None:
    assert wanted == Environment({"A": "one", "EMPTY": ""}).substituted(text)


def test_a_value_is_not_substituted_again() -> None:
    assert "${B}" == Environment({"A": "${B}", "B": "two"}).substituted("${A}")


def test_an_unset_name_without_default_is_named() -> None:
    with pytest.raises(Unset, match="variable NOPE, which is not set"):
        Environment({}).substituted("${NOPE}")


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A:default}", "${A B}", "${A-x}"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(Unset, match="literal"):
        Environment({"A": "one"}).substituted(text)


def test_what_was_read_is_remembered() -> None:
    environment = Environment({"A": "one", "C": "three"})
    environment.substituted("${A} ${B:-two}")

    assert {"A": "one", "B": ""} == environment.used


@given(st.text("${}A:-x", max_size=20))
def test_escaped_text_is_substituted_to_itself(text: str) -> None:
    assert text == Environment({"A": "one"}).substituted(escaped(text))
