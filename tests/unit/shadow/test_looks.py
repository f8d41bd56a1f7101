"""What values look like."""

from __future__ import annotations

import pytest

from proxy.shadow import looks


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", "uuid"),
        ("0B6FBE0E-7D4C-4A0E-9E59-0A3E5B1D7F11", "uuid"),
        ("2026-11-24T12:00:00Z", "timestamp"),
        ("2026-11-24 12:00:00.123456+01:00", "timestamp"),
        ("2026-11-24T12:00:00", "timestamp"),
        ("Tue, 24 Nov 2026 12:00:00 GMT", "timestamp"),
        ("d41d8cd98f00b204e9800998ecf8427e", "digest"),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "digest"),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "digest"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token"),
        ("V1StGXR8_Z5jdHi6B-myT", "token"),
        ("2024-11-24", ""),
        ("hello", ""),
        ("", ""),
        ("12345678901234567890123456789012", ""),
        ("internationalisationalism", ""),
        ("SHOUTING_WITH_A_LONG_NAME_2", ""),
        ("a sentence with Spaces and 1 digit in it", ""),
        ("/a/path/that/is/Long/and/has/1/digit", "token"),  # base64 has slashes, so the two cannot be told apart
    ],
)
def test_a_text_is_what_it_looks_like(value: str, kind: str) -> None:
    assert looks.text(value) == kind


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1_764_000_000, 1_764_000_005, True),
        (1_764_000_000.5, 1_764_000_001.25, True),
        (1_764_000_000_000, 1_764_000_005_000, True),
        (1_764_000_000_000_000, 1_764_000_005_000_000, True),
        (1_764_000_000, 1_764_100_000, False),
        (1_764_000_000, 1_764_000_000_000, False),
        (10, 11, False),
        (19.99, 20.0, False),
    ],
)
def test_two_numbers_are_one_moment_when_both_are_unix_times_less_than_a_day_apart(one: float, other: float, same: bool) -> None:
    assert looks.same_moment(one, other) is same


@pytest.mark.parametrize(
    ("key", "odd"), [("42", True), ("0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", True), ("price", False), ("v2", False)]
)
def test_a_key_that_was_not_written_by_a_person_is_odd(key: str, odd: bool) -> None:
    assert looks.odd_key(key) is odd


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("0123456789abcdef", "0123456789012345", True),
        ("0123456789012345", "5432109876543210", False),
        ("d41d8cd98f00b204e9800998ecf8427e", "0123456789abcdef", False),
        ("V1StGXR8_Z5jdHi6B-myT", "vvstgxrr_zzjdhiibbmyt", True),
        ("V1StGXR8_Z5jdHi6B-myT", "too short", False),
        ("2026-11-24T12:00:00Z", "2026-11-24 12:00:01", True),
        ("2026-11-24T12:00:00Z", "0b6fbe0e-7d4c-4a0e-9e59-0a3e5b1d7f11", False),
    ],
)
def test_two_texts_are_the_same_kind_of_thing(one: str, other: str, same: bool) -> None:
    assert looks.same(one, other) is same
