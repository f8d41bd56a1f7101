from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan, WeightStep
from proxy.store import last_known

PLAN = RolloutPlan(steps=(WeightStep(700),))
RUNNING = Position(
    "shop",
    "v1",
    Phase.PROGRESSING,
    "v2",
    "v2",
    "f2",
    rollout=3,
    plan=PLAN,
    step=1,
    weight_bp=700,
    step_elapsed_s=3.0,
    step_requests=4,
    elapsed_s=9.0,
    configured="v2",
    since_s=1.0,
    guard_floor=7.0,
)


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = last_known.beside(tmp_path / "headgate.db")
    services = {"shop": last_known.settled(RUNNING), "cart": Position("cart", "v7")}
    last_known.write(path, services)

    assert services == last_known.read(path)


def test_writing_leaves_no_other_file_behind(tmp_path: Path) -> None:
    path = last_known.beside(tmp_path / "headgate.db")
    last_known.write(path, {})
    last_known.write(path, {})

    assert ["headgate.db.last-known.json"] == [each.name for each in tmp_path.iterdir()]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = last_known.beside(tmp_path / "headgate.db")
    last_known.write(path, {"shop": Position("shop", "v1")})

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        last_known.write(path, {"shop": Position("shop", "v2")})

    assert {"shop": Position("shop", "v1")} == last_known.read(path)


def test_a_directory_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.fsync", unsupported)

    last_known.sync_directory(tmp_path)


def test_no_file_is_nothing_known(tmp_path: Path) -> None:
    assert None is last_known.read(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"{", b'{"services": {"shop": {"service": 1}}}', b"\xff\xfe"])
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r".+"):
        last_known.read(path)


def test_a_rollout_under_way_is_forgotten_so_that_it_begins_anew() -> None:
    assert Position("shop", "v1", target="v1", configured="v1", rollout=3) == last_known.settled(RUNNING)


@pytest.mark.parametrize("phase", [Phase.ROLLING_BACK, Phase.ROLLED_BACK])
def test_a_refused_target_stays_refused(phase: Phase) -> None:
    position = replace(RUNNING, phase=phase, reason="bad")

    assert Position("shop", "v1", Phase.ROLLED_BACK, "v2", "v2", "f2", rollout=3, reason="bad", configured="v2") == last_known.settled(
        position
    )


def test_a_stable_service_keeps_whose_target_it_is() -> None:
    position = Position("shop", "v3", target="v3", fingerprint="f3", configured="v1", rollout=4, plan=PLAN, since_s=9.0)

    assert replace(position, plan=RolloutPlan(), since_s=0.0) == last_known.settled(position)


@pytest.mark.parametrize("phase", list(Phase))
def test_what_was_stable_before_is_kept_for_an_undo(phase: Phase) -> None:
    assert "v0" == last_known.settled(replace(RUNNING, phase=phase, previous="v0")).previous


def test_nothing_that_waits_is_taken_over() -> None:
    """Whatever a position is given in time to come, it falls to its stable and to nothing else."""
    kept = {"service", "stable", "phase", "candidate", "target", "fingerprint", "rollout", "reason", "configured", "previous"}
    position = replace(RUNNING, phase=Phase.ROLLED_BACK, asking="3/0/gate", slow_over_s=1.0, previous="v0", reason="bad")
    settled, fresh = last_known.settled(position), Position("shop", "v1")

    assert kept >= {name for name in Position.__struct_fields__ if getattr(settled, name) != getattr(fresh, name)}
