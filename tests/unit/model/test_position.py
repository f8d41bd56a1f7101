"""The names that the outside knows, and a position that survives being kept."""

from __future__ import annotations

import msgspec

from proxy.model.position import Phase, Position


def test_the_phases_have_the_names_that_scripts_rely_on() -> None:
    assert ["stable", "shadowing", "progressing", "paused", "promoting", "rolling_back", "rolled_back"] == [str(p) for p in Phase]


def test_a_position_is_the_same_after_being_kept_as_json() -> None:
    position = Position(service="shop", stable="v1", phase=Phase.PROGRESSING, candidate="v2", rollout=3, weight_bp=500)

    assert position == msgspec.json.decode(msgspec.json.encode(position), type=Position)
