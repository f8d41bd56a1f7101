"""What is said of a switch."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli.main import main
from proxy.cli.switching import told

SEEN: dict[str, Any] = {
    "took_s": 0.0123,
    "held": 6,
    "hold_s_max": 0.0031,
    "watched_at_s": 1_700_000_000.0,
    "old_last_at_s": 1_700_000_000.25,
    "new_first_at_s": 1_700_000_000.254,
}


def test_a_switch_is_told_with_who_waited_and_what_came_last_and_first() -> None:
    assert (
        "shop: v2 has everything; switched in 12.3 ms, 6 requests waited, 3.1 ms at most\n"
        "last request to the old version 22:13:20.250Z, first to the new one 22:13:20.254Z"
    ) == told({"last_switch": SEEN}, "shop", "v2")


def test_a_switch_without_traffic_is_told_in_a_line() -> None:
    quiet = SEEN | {"held": 0, "old_last_at_s": None, "new_first_at_s": None}

    assert "shop: v2 has everything; switched in 12.3 ms, no request had to wait" == told({"last_switch": quiet}, "shop", "v2")


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("old_last_at_s", "no request to the old version since 22:13:20.000Z, first to the new one 22:13:20.254Z"),
        ("new_first_at_s", "last request to the old version 22:13:20.250Z, none to the new one yet"),
    ],
)
def test_what_was_not_seen_is_not_made_up(missing: str, expected: str) -> None:
    assert expected == told({"last_switch": SEEN | {missing: None}}, "shop", "v2").splitlines()[1]


def test_a_barrier_that_was_raised_again_is_told() -> None:
    assert "switched in 12.3 ms at try 2, " in told({"last_switch": SEEN | {"tries": 2}}, "shop", "v2")


def test_one_request_is_not_many() -> None:
    assert "1 request waited" in told({"last_switch": SEEN | {"held": 1}}, "shop", "v2")


@pytest.mark.parametrize("args", [["switch", "shop"], ["switch", "--to", "v2"], ["switch", "shop", "--to"]])
def test_what_is_missing_is_wrong_usage(args: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(args)

    assert 2 == ended.value.code
