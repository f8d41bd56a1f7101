"""What is never shown or kept."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.shadow import redact
from proxy.shadow.compare import Rules
from proxy.shadow.json_diff import differences
from tests.unit.shadow.pairs import counted, pair


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [("password", True), ("user_password", True), ("X-Auth-Token", True), ("apiKey", True), ("email", True), ("price", False)],
)
def test_a_name_says_what_is_never_shown(name: str, sensitive: bool) -> None:
    assert redact.sensitive(name) is sensitive


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": 1, "secret": "x"}, {"a": 1, "secret": "(redacted)"}),
        ([{"token": {"a": 1}}], [{"token": "(redacted)"}]),
        ("V1StGXR8_Z5jdHi6B-myT", "<token>"),
        ("d41d8cd98f00b204e9800998ecf8427e", "<digest>"),
        ("a word", "a word"),
        (12, 12),
    ],
)
def test_a_value_is_shown_without_it(value: Any, shown: Any) -> None:
    assert redact.value(value) == shown


@pytest.mark.parametrize(
    ("target", "shown"), [("/a", "/a"), ("/a?b=1&c=2", "/a?b=…&c=…"), ("/a?b", "/a?b=…"), ("/a?", "/a?=…"), ("/a?b=c=d", "/a?b=…")]
)
def test_a_target_is_shown_without_the_values_of_its_query(target: str, shown: str) -> None:
    assert redact.target(target) == shown


def test_a_difference_of_a_nested_secret_shows_none_of_it() -> None:
    [difference] = differences({"a": {"password": "one", "b": 1}}, {"a": 1})

    assert (difference.original, difference.copy) == ('{"b": 1, "password": "(redacted)"}', "1")


def test_a_sample_of_a_sensitive_path_has_no_values() -> None:
    count = counted(pair({"email": "a@b"}, {"email": "c@d"}, target="/a?q=x")).routes["r"].paths["$.email value"]

    assert [(s.target, s.original, s.copy) for s in count.samples] == [("/a?q=…", "(redacted)", "(redacted)")]


def test_secrets_are_compared_all_the_same() -> None:
    assert Rules().cover("$.password") is False
    assert [d.path for d in differences({"password": "a"}, {"password": "b"})] == ["$.password"]
