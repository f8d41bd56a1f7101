"""Where answers and remarks go."""

from __future__ import annotations

import json

import pytest

from proxy.cli.output import counted, remark, say


def test_json_output_is_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    say("json", {"a": [1, None]}, "a is one")

    assert {"a": [1, None]} == json.loads(capsys.readouterr().out)


def test_text_output_is_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    say("text", {"a": 1}, "a is one")

    assert "a is one\n" == capsys.readouterr().out


@pytest.mark.parametrize(("n", "expected"), [(0, "0 routes"), (1, "1 route"), (2, "2 routes")])
def test_things_are_counted_in_english(n: int, expected: str) -> None:
    assert expected == counted(n, "route")


def test_a_remark_is_not_part_of_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    remark("by the way")

    assert ("", "by the way\n") == capsys.readouterr()
