"""A rollout's series in the store, and a state file of the first version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.guard import Tally
from proxy.analysis.series import Point, Series
from proxy.analysis.stretches import Side, Stretch
from proxy.clock import ManualClock
from proxy.model.position import Phase, Position, Record
from proxy.store import Store, StoreUnavailable

ROWS = {500: {"candidate_requests": 3, "candidate": {"reset": 1}}}
POINT = Point(1.5, "progressing", 0, 500, ROWS, Stretch(10.0, Side(3, 1, {4: 2}), Side(60, 0, {3: 60})))
SERIES = Series(10.0, (POINT, replace(POINT, at_s=2.5, evidence={"failures": 1.5}, checks={"p99": "pass"}, event="step")))
SHOP = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "headgate.db", clock=ManualClock()) as opened:
        yield opened


def test_a_series_comes_back_exactly_with_its_exposure(store: Store) -> None:
    store.keep_series("shop", 3, SERIES, {"users": 7})

    assert (SERIES, {"users": 7}) == store.series("shop", 3)


def test_the_last_that_was_kept_of_a_rollout_counts(store: Store) -> None:
    store.keep_series("shop", 3, SERIES, {})
    store.keep_series("shop", 3, replace(SERIES, interval_s=20.0), {"users": 1})

    assert (replace(SERIES, interval_s=20.0), {"users": 1}) == store.series("shop", 3)


def test_a_rollout_that_nobody_kept_has_none(store: Store) -> None:
    store.keep_series("shop", 3, SERIES, {})

    assert (None, None) == (store.series("shop", 4), store.series("cart", 3))


def test_only_the_latest_rollouts_keep_theirs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERIES_ROLLOUTS_KEPT", 3)
    for rollout in range(1, 6):
        store.keep_series("shop", rollout, SERIES, {})

    assert [False, False, True, True, True] == [store.series("shop", rollout) is not None for rollout in range(1, 6)]


def test_a_rollout_that_the_history_has_forgotten_loses_its_series(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_REVISIONS_KEPT", 2)
    for rollout in (1, 2, 3):
        store.decide(replace(SHOP, rollout=rollout), [Record("started", "x")], 1.0, None)
        store.keep_series("shop", rollout, SERIES, {})

    assert [False, True, True] == [store.series("shop", rollout) is not None for rollout in (1, 2, 3)]


def test_the_last_ten_revisions_at_least_have_their_series() -> None:
    assert limits.SERIES_ROLLOUTS_KEPT >= 50


def test_a_series_that_cannot_be_kept_says_so(store: Store) -> None:
    store.close()

    with pytest.raises(StoreUnavailable):
        store.keep_series("shop", 3, SERIES, {})


@pytest.mark.parametrize("column", ["series", "exposure"])
def test_a_series_that_cannot_be_read_any_more_is_none(store: Store, tmp_path: Path, column: str) -> None:
    store.keep_series("shop", 3, SERIES, {})
    with sqlite3.connect(tmp_path / "headgate.db") as other:
        other.execute(f"UPDATE series SET {column} = '[1]'")
    other.close()

    assert None is store.series("shop", 3)


def test_a_file_of_the_first_version_goes_on_where_it_stood(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.db")
    old.executescript(Path(__file__).with_name("files").joinpath("version-1.sql").read_text(encoding="utf-8"))
    old.close()

    with Store(tmp_path / "old.db") as store:
        position, tally = store.load()["shop"]
        kinds = [(revision.kind, revision.by) for revision in store.history("shop")]
        store.keep_series("shop", 1, SERIES, {})

    assert tally is not None
    assert (Phase.PROGRESSING, 500, 4.5, 20) == (position.phase, position.weight_bp, position.step_elapsed_s, position.step_requests)
    assert [("started", "token"), ("first", "configuration")] == kinds
    assert (20, 400) == (Tally.from_json(tally).candidate_requests, Tally.from_json(tally).stable_requests)
