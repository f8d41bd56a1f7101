from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config import fields
from proxy.config.document import Plain


def refusal(annotation: Any, value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(annotation).validate_python(value)
    (error,) = raised.value.errors()
    assert fields.OWN_WORDS == error["type"]
    return error["msg"]


def read(annotation: Any, value: object) -> Any:
    return TypeAdapter(annotation).validate_python(value)


WHOLE = Annotated[int, fields.whole(1, 10)]
REAL = Annotated[float, fields.real(0, 0.5, ends=False)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "a list"),
        ({}, "a mapping"),
        ("", "an empty text"),
        ("1", "the text '1'"),
        (Plain("1"), "the number 1"),
        (Plain(""), "nothing"),
        (Plain("null"), "nothing"),
        (Plain("true"), "`true`"),
        (Plain("many"), "'many'"),
    ],
)
def test_what_is_given_is_said_in_words(value: object, words: str) -> None:
    assert words == fields.given(value)


@pytest.mark.parametrize(("value", "wanted"), [(Plain("7"), 7), (7, 7), (Plain("7.0"), 7)])
def test_a_whole_number_is_read(value: object, wanted: int) -> None:
    assert wanted == read(WHOLE, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Plain("11"), "11 is not allowed; a whole number from 1 to 10 is"),
        (Plain("1.5"), "1.5 is not allowed; a whole number from 1 to 10 is"),
        (Plain("1e300"), "1e+300 is not allowed; a whole number from 1 to 10 is"),
        (Plain("many"), "a whole number from 1 to 10 is needed here, and 'many' is given"),
        (Plain("true"), "a whole number from 1 to 10 is needed here, and `true` is given"),
        ("7", "a whole number from 1 to 10 is needed here, and the text '7' is given; take the quotes away"),
        ("true", "a whole number from 1 to 10 is needed here, and the text 'true' is given"),
        ([], "a whole number from 1 to 10 is needed here, and a list is given"),
    ],
)
def test_a_wrong_whole_number_says_what_is_allowed(value: object, words: str) -> None:
    assert words == refusal(WHOLE, value)


@pytest.mark.parametrize("value", ["0", "0.5", "-1", "1e999"])
def test_the_ends_of_an_open_range_are_refused(value: str) -> None:
    assert refusal(REAL, Plain(value)).endswith("is not allowed; a number above 0 and below 0.5 is")


def test_a_duration_outside_its_range_names_the_range() -> None:
    assert "25h is not allowed; a duration from 1ms to 24h is" == refusal(fields.Timeout, Plain("25h"))


@pytest.mark.parametrize(("value", "wanted"), [(Plain("auto"), "auto"), ("auto", "auto"), (Plain("4"), 4)])
def test_workers_are_a_number_or_auto(value: object, wanted: object) -> None:
    assert wanted == read(fields.Workers, value)


@pytest.mark.parametrize("value", [Plain("0"), Plain("257"), Plain("1.5"), Plain("all"), "4"])
def test_other_workers_are_refused(value: object) -> None:
    assert "`auto` or a whole number from 1 to 256" in refusal(fields.Workers, value)


@pytest.mark.parametrize(("value", "wanted"), [(Plain("true"), True), (Plain("False"), False), (True, True)])
def test_a_truth_is_read(value: object, wanted: bool) -> None:
    assert wanted is read(fields.Truth, value)


@pytest.mark.parametrize("value", [Plain("yes"), Plain("1"), "true", Plain("")])
def test_what_is_no_truth_is_refused(value: object) -> None:
    assert refusal(fields.Truth, value).startswith("`true` or `false` is needed here")


def test_a_value_may_be_empty_in_quotes_only() -> None:
    assert "" == read(fields.Value, "")
    assert "a text is needed here, and nothing is given" == refusal(fields.Value, Plain(""))


def test_a_value_is_one_line() -> None:
    assert "has the control character U+000A in it; write one line of plain text" == refusal(fields.Value, "a\nb")


def test_text_is_taken_as_written() -> None:
    assert "007" == read(fields.Name, Plain("007"))
