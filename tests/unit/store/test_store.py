from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.clock import ManualClock
from proxy.errors import OperatorError
from proxy.model.position import Decided, Phase, Position, Record, Revision
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.store import Store, StoreUnavailable, database

PLAN = RolloutPlan(steps=(WeightStep(500, for_s=0.1), GateStep()))
SHOP = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", "f2", rollout=3, plan=PLAN, weight_bp=500, elapsed_s=0.1 + 0.2)
STARTED = Record("started", "the target is v2", {"weight_bp": 500}, "ann")
STEP = Record("step", "done", {"log_evidence": 1.5})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "headgate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path, clock=ManualClock()) as opened:
        yield opened


def reopened(path: Path) -> dict[str, tuple[Position, object]]:
    with Store(path) as again:
        return dict(again.load())


def test_a_missing_directory_is_made(store: Store, path: Path) -> None:
    assert path.exists()


def test_a_directory_that_cannot_be_made_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(OperatorError, match="state: cannot be made"):
        Store(tmp_path / "state" / "headgate.db")


def test_a_new_store_knows_nothing(store: Store) -> None:
    assert ({}, [], "") == (store.load(), store.history("shop"), store.notice)


def test_a_position_comes_back_exactly(store: Store, path: Path) -> None:
    store.decide(SHOP, [STARTED], 1.0, {"users": "AAA="})
    store.close()

    assert {"shop": (SHOP, {"users": "AAA="})} == reopened(path)


def test_a_decision_gives_each_record_a_revision(store: Store) -> None:
    assert ([1], [2, 3]) == (store.decide(SHOP, [STARTED], 1.0, None), store.decide(SHOP, [STEP, STEP], 2.0, None))


def test_revisions_are_counted_per_service(store: Store) -> None:
    store.decide(SHOP, [STARTED], 1.0, None)

    assert [1] == store.decide(replace(SHOP, service="cart"), [STARTED], 1.0, None)


def test_a_decision_without_records_takes_no_revision(store: Store) -> None:
    assert ([], [1]) == (store.decide(SHOP, [], 1.0, None), store.decide(SHOP, [STARTED], 1.0, None))


def test_decisions_that_are_kept_together_have_numbers_of_their_own(store: Store) -> None:
    cart = replace(SHOP, service="cart")
    store.decide(SHOP, [STARTED], 1.0, None)

    assert [[2, 3], [1], []] == store.decide_all([Decided(SHOP, (STEP, STEP)), Decided(cart, (STARTED,)), Decided(cart)], 2.0)


def test_of_decisions_that_cannot_all_be_kept_none_is(store: Store) -> None:
    unkept = Decided(replace(SHOP, service="cart"), (replace(STARTED, figures={"what": object()}),))
    with pytest.raises(TypeError):
        store.decide_all([Decided(SHOP, (STARTED,)), unkept], 1.0)

    assert ({}, [], [1]) == (store.load(), store.history("shop"), store.decide(SHOP, [STARTED], 2.0, None))


def test_history_is_newest_first_with_every_figure_and_the_position_after(store: Store) -> None:
    store.decide(SHOP, [STARTED], 1.0, None)
    later = replace(SHOP, step=1)
    store.decide(later, [STEP], 2.5, None)

    assert [
        Revision("shop", 2, 2.5, "step", "done", {"log_evidence": 1.5}, "", later),
        Revision("shop", 1, 1.0, "started", "the target is v2", {"weight_bp": 500}, "ann", SHOP),
    ] == store.history("shop")


def test_history_gives_no_more_than_was_asked_for(store: Store) -> None:
    store.decide(SHOP, [STARTED, STEP, STEP], 1.0, None)

    assert [3, 2] == [each.revision for each in store.history("shop", 2)]


def test_one_revision_can_be_asked_for(store: Store) -> None:
    store.decide(SHOP, [STARTED, STEP], 1.0, None)
    found = store.revision("shop", 2)

    assert found is not None
    assert ("step", None) == (found.kind, store.revision("shop", 3))


def test_the_oldest_revisions_go_and_the_numbers_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_REVISIONS_KEPT", 3)
    for _ in range(5):
        store.decide(SHOP, [STEP], 1.0, None)

    assert ([5, 4, 3], [6]) == ([each.revision for each in store.history("shop")], store.decide(SHOP, [STEP], 1.0, None))


def test_more_revisions_are_kept_than_the_fifty_that_are_promised() -> None:
    assert limits.HISTORY_REVISIONS_KEPT >= 50


def test_progress_moves_the_position_and_adds_no_revision(store: Store, path: Path) -> None:
    store.decide(SHOP, [STARTED], 1.0, None)
    later = replace(SHOP, step_requests=9)
    store.progress(later, {"a": 1})
    store.close()

    assert {"shop": (later, {"a": 1})} == reopened(path)


@pytest.mark.parametrize("how", ["ABORT", "ROLLBACK"])  # the second is how SQLite answers a full disk
def test_a_decision_that_fails_in_the_middle_keeps_nothing_of_it(store: Store, path: Path, how: str) -> None:
    store.decide(SHOP, [STARTED], 1.0, None)
    with sqlite3.connect(path) as other:
        other.execute(f"CREATE TRIGGER full BEFORE INSERT ON history BEGIN SELECT RAISE({how}, 'disk full'); END")
    other.close()

    with pytest.raises(StoreUnavailable, match=r"headgate\.db: disk full"):
        store.decide(replace(SHOP, step=1), [STEP], 2.0, None)

    assert (SHOP, 1) == (store.load()["shop"][0], len(store.history("shop")))


def test_an_exception_inside_a_transaction_keeps_nothing_and_passes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.store.store._PRUNE", 3)  # not SQL at all

    with pytest.raises(TypeError):
        store.decide(SHOP, [STARTED], 1.0, None)

    assert ({}, []) == (store.load(), store.history("shop"))


def test_after_a_failure_the_next_decision_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("proxy.store.store._PRUNE", 3)
        with pytest.raises(TypeError):
            store.decide(SHOP, [STARTED], 1.0, None)

    assert [1] == store.decide(SHOP, [STARTED], 1.0, None)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()

    with pytest.raises(StoreUnavailable):
        store.load()


# ---- a damaged or missing database ----------------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"not a database" * 500)


def settled_store(path: Path) -> None:
    """shop: v1 stable while v2 is tried; cart: v9 stable after v10 was rolled back."""
    with Store(path) as store:
        store.decide(SHOP, [STARTED], 1.0, None)
        store.decide(Position("cart", "v9", Phase.ROLLED_BACK, "v10", "v10", "f10", configured="v10"), [STEP], 1.0, None)


def test_a_damaged_database_is_moved_aside_and_services_fall_to_their_last_known_stable(path: Path) -> None:
    settled_store(path)
    damage(path)

    with Store(path, clock=ManualClock()) as store:
        positions = {name: (p.stable, p.phase, p.target) for name, (p, _) in store.load().items()}
        notice = store.notice

    assert {"shop": ("v1", Phase.STABLE, "v1"), "cart": ("v9", Phase.ROLLED_BACK, "v10")} == positions
    assert f"{path} is damaged (file is not a database) and was moved to headgate.db.damaged-20231114T221320Z" in notice
    assert (path.parent / "headgate.db.damaged-20231114T221320Z").read_bytes().startswith(b"not a database")


def test_after_the_fall_the_store_works_and_the_next_start_says_nothing(path: Path) -> None:
    settled_store(path)
    damage(path)
    with Store(path) as store:
        revisions = store.decide(replace(SHOP, rollout=4), [STARTED], 9.0, None)
    with Store(path) as again:
        assert ([2], "", 4) == (revisions, again.notice, again.load()["shop"][0].rollout)


def test_killed_in_the_middle_of_the_fall_the_next_start_does_the_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled_store(path)
    damage(path)
    decide, decided = Store.decide, []

    def dies(self: Store, position: Position, *rest: Any) -> list[int]:
        if decided:
            raise KeyboardInterrupt
        decided.append(position.service)
        return decide(self, position, *rest)

    with monkeypatch.context() as killed:
        killed.setattr(Store, "decide", dies)
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    with Store(path) as again:
        assert {"shop": "v1", "cart": "v9"} == {name: position.stable for name, (position, _) in again.load().items()}


def test_after_the_fall_the_history_says_that_it_was_lost_and_where_the_file_is(path: Path) -> None:
    settled_store(path)
    damage(path)
    with Store(path, clock=ManualClock()) as store:
        (lost,) = store.history("shop")

    assert ("recovered", {"stable": "v1"}, 1_700_000_000.0, Phase.STABLE) == (lost.kind, lost.figures, lost.at_s, lost.position.phase)
    assert "was moved to headgate.db.damaged-20231114T221320Z" in lost.reason
    assert lost.reason.endswith("and their history begins anew")


def test_a_position_that_cannot_be_read_is_damage_too(path: Path) -> None:
    settled_store(path)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE positions SET position = '{\"service\": 7}' WHERE service = 'shop'")
    other.close()

    with Store(path) as store:
        assert ("v1", True) == (store.load()["shop"][0].stable, "a position cannot be read" in store.notice)


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_database_that_is_gone_is_not_a_first_start(path: Path, lost: str) -> None:
    settled_store(path)
    path.unlink()
    if lost == "empty":
        path.write_bytes(b"")

    with Store(path) as store:
        assert ("v1", True) == (store.load()["shop"][0].stable, "knew nothing of cart, shop" in store.notice)


@pytest.mark.parametrize("known", [None, b"{nonsense"])
def test_when_nothing_is_known_it_refuses_to_guess_and_touches_nothing(path: Path, known: bytes | None) -> None:
    settled_store(path)
    damage(path)
    beside = path.with_name("headgate.db.last-known.json")
    beside.unlink()
    if known is not None:
        beside.write_bytes(known)
    before = sorted(each.name for each in path.parent.iterdir())

    for _ in range(2):
        with pytest.raises(OperatorError, match="no service's stable version is known"):
            Store(path)

    assert before == sorted(each.name for each in path.parent.iterdir())


def test_a_missing_database_beside_an_unreadable_file_is_refused_at_every_start(path: Path) -> None:
    settled_store(path)
    path.unlink()
    path.with_name("headgate.db.last-known.json").write_bytes(b"{nonsense")

    for _ in range(2):
        with pytest.raises(OperatorError, match="no service's stable version is known"):
            Store(path)


def test_a_start_that_was_killed_between_making_the_database_and_filling_it_loses_nothing(path: Path) -> None:
    settled_store(path)
    path.unlink()
    database.open_database(path).close()

    with Store(path) as store:
        assert "v1" == store.load()["shop"][0].stable
    with Store(path) as again:
        assert ("v1", "") == (again.load()["shop"][0].stable, again.notice)


def test_an_unreadable_file_beside_a_whole_database_is_written_again(path: Path) -> None:
    settled_store(path)
    beside = path.with_name("headgate.db.last-known.json")
    beside.write_bytes(b"{nonsense")

    with Store(path) as store:
        assert ("v1", "", True) == (store.load()["shop"][0].stable, store.notice, b'"v1"' in beside.read_bytes())


def test_a_missing_file_of_last_known_stables_is_written_again(path: Path) -> None:
    settled_store(path)
    beside = path.with_name("headgate.db.last-known.json")
    beside.unlink()
    Store(path).close()

    assert beside.exists()


def test_the_file_of_last_known_stables_is_written_when_a_stable_changes_and_not_for_progress(path: Path) -> None:
    beside = path.with_name("headgate.db.last-known.json")
    with Store(path) as store:
        store.decide(SHOP, [STARTED], 1.0, None)
        first = beside.stat().st_ino
        store.progress(replace(SHOP, step_requests=5), None)
        store.decide(replace(SHOP, step=1), [STEP], 2.0, None)
        unchanged = beside.stat().st_ino
        store.decide(Position("shop", "v2", target="v2", configured="v2", rollout=3), [STEP], 3.0, None)

    assert (first, True) == (unchanged, '"stable": "v2"' in beside.read_text())


def test_a_last_known_file_that_cannot_be_written_is_told_and_does_not_undo_the_decision(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("proxy.store.last_known.write", no_space)
        store.decide(SHOP, [STARTED], 1.0, None)
        told = store.last_known_failed
    store.decide(SHOP, [STEP], 2.0, None)

    assert (True, "", True) == (
        told.endswith("No space left on device"),
        store.last_known_failed,
        "v1" in store._last_known_path.read_text(),
    )


# ---- a log that was cut ---------------------------------------------------------------------------------------------------------


def test_a_log_cut_anywhere_loses_only_the_last_decisions_and_stays_whole(path: Path, tmp_path: Path) -> None:
    """After a power cut the log may end anywhere: position and history still agree, and no revision is missing in between."""
    store = Store(path)
    for step in range(1, 9):
        store.decide(replace(SHOP, step=step), [replace(STEP, reason=f"to {step}")], float(step), None)
    wal = path.with_name("headgate.db-wal")
    seen = set()
    for number, size in enumerate([*range(0, wal.stat().st_size, 3001), wal.stat().st_size]):
        copy = tmp_path / str(number) / "headgate.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        shutil.copy(wal, copy.with_name(wal.name))
        with open(copy.with_name(wal.name), "r+b") as file:
            file.truncate(size)
        with Store(copy) as cut:
            history = [each.revision for each in reversed(cut.history("shop"))]
            steps = cut.load()["shop"][0].step if history else 0
        assert (list(range(1, steps + 1)), "") == (history, cut.notice)
        seen.add(steps)
    store.close()

    assert set(range(9)) == seen
