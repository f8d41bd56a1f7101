from __future__ import annotations

import msgspec
import pytest

from proxy.telemetry.snapshot import CellDelta, EndpointState, Snapshot

SNAPSHOT = Snapshot(
    worker=1,
    sequence=2,
    generation=3,
    at_s=1_700_000_000.25,
    cells=[
        CellDelta(
            "shop",
            "v2",
            3,
            9,
            0.05,
            {200: 1, 502: 2},
            {"connect": 2},
            3,
            {"connect": 1},
            [(2**64 - 1, "connect")],
            {"connect": 4},
            5,
            [2**64 - 2],
            6,
            {0: 1},
            {0: 1},
            0.5,
            6,
            7,
            8,
        )
    ],
    endpoints=[EndpointState("shop", "v2", "127.0.0.1:1", active=1, idle=2, healthy=False)],
    unmatched={404: 5},
    downstream_connections=6,
    access_log_dropped=7,
)


def test_a_snapshot_survives_the_wire() -> None:
    """With the largest hash of a user that there is."""
    assert SNAPSHOT == msgspec.json.decode(msgspec.json.encode(SNAPSHOT), type=Snapshot)
    assert SNAPSHOT == msgspec.msgpack.decode(msgspec.msgpack.encode(SNAPSHOT), type=Snapshot)


def test_an_unknown_field_is_refused() -> None:
    """Two releases that do not speak the same message must not guess."""
    with pytest.raises(msgspec.ValidationError, match="surprise"):
        msgspec.json.decode(b'{"worker":1,"sequence":2,"generation":3,"at_s":0.0,"surprise":1}', type=Snapshot)


def test_deltas_do_not_share_their_defaults() -> None:
    one, other = CellDelta("a", "b", 1), CellDelta("a", "b", 1)
    one.requests[200] = 1
    one.failed_users.append((1, "connect"))

    assert ({}, []) == (other.requests, other.failed_users)
