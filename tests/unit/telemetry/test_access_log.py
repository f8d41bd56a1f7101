"""The access log: lines whole and in order, and nothing that can go wrong with a file costs more than lines."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from proxy import limits
from proxy.telemetry.access_log import AccessLog, Entry

FULL = Path("/dev/full")  # every write to it fails as on a full disk


def entry(number: int = 0, *, cause: str | None = None, code: int = 200, path: str = "/a") -> Entry:
    return (
        1_700_000_000.1239,
        "192.0.2.7",
        "GET",
        "shop",
        path,
        "shop",
        code,
        cause,
        0.0123456,
        "v2",
        f"id-{number}",
        0,
        "",
        False,
        "",
        "",
    )


@pytest.fixture
def logs() -> Iterator[list[AccessLog]]:
    """Every log put here is closed at the end."""
    opened: list[AccessLog] = []
    yield opened
    for log in opened:
        log.close()


def ids(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()]


# -- lines --------------------------------------------------------------------------------------------------------------------


def test_a_line_is_one_json_object(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"), 1.0)
    log.offer(entry(7))
    log.close()
    text = (tmp_path / "log").read_text()

    assert text.endswith("}\n")
    assert {
        "at": "2023-11-14T22:13:20.123Z",
        "client": "192.0.2.7",
        "method": "GET",
        "host": "shop",
        "path": "/a",
        "service": "shop",
        "code": 200,
        "duration_ms": 12.346,
        "version": "v2",
        "request_id": "id-7",
    } == json.loads(text)


def test_a_failure_has_its_cause(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"), 1.0)
    log.offer(entry(cause="connect", code=502))
    log.close()

    assert "connect" == json.loads((tmp_path / "log").read_text())["cause"]


def test_nothing_a_client_sends_can_break_a_line(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"), 1.0)
    log.offer(entry(path='/"\n{}\u2028\ud800é\x00'))
    log.close()
    lines = (tmp_path / "log").read_bytes().splitlines()

    assert 1 == len(lines)
    assert '/"\n{}\u2028\ud800é\x00' == json.loads(lines[0])["path"]


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"request_id": "before"}\n')
    log = AccessLog(str(path), 1.0)
    for number in range(200):
        log.offer(entry(number))
    log.close()

    assert ["before", *(f"id-{number}" for number in range(200))] == ids(path)


def test_standard_output_is_written_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    log = AccessLog("-", 1.0)
    log.offer(entry(1))
    log.reopen()
    log.offer(entry(2))
    log.close()

    assert not stream.closed
    assert ["id-1", "id-2"] == [json.loads(line)["request_id"] for line in stream.getvalue().splitlines()]


def test_standard_output_is_flushed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw), write_through=False))  # type: ignore[arg-type]  # as raw
    log = AccessLog("-", 1.0)
    for number in range(50):
        log.offer(entry(number))
    log.close()

    assert 50 == raw.getvalue().count(b"\n")


class Flushed(io.StringIO):
    """A stream that says when it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.done = Event()

    def flush(self) -> None:
        self.done.set()


def test_standard_output_is_flushed_once_nothing_waits(monkeypatch: pytest.MonkeyPatch, logs: list[AccessLog]) -> None:
    stream = Flushed()
    monkeypatch.setattr(sys, "stdout", stream)
    logs.append(AccessLog("-", 1.0))
    logs[0].offer(entry(1))

    assert stream.done.wait(10)


# -- what is wanted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "failed", "chance", "wanted"),
    [
        (1.0, False, 0.999, True),
        (0.0, False, 0.0, False),
        (0.0, True, 0.999, True),
        (0.25, False, 0.2, True),
        (0.25, False, 0.25, False),
        (0.25, True, 0.9, True),
    ],
)
def test_every_failure_and_a_sample_of_the_rest_is_wanted(
    tmp_path: Path, logs: list[AccessLog], sample: float, failed: bool, chance: float, wanted: bool
) -> None:
    log = AccessLog(str(tmp_path / "log"), sample, chance=lambda: chance)
    logs.append(log)

    assert wanted is log.wanted(failed)


# -- what goes wrong ----------------------------------------------------------------------------------------------------------


class Stuck(io.StringIO):
    """A stream whose first write waits, as a pipe that nobody reads does."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = Event()
        self.go_on = Event()

    def write(self, text: str) -> int:
        self.writing.set()
        assert self.go_on.wait(10), "the test has forgotten it"
        return super().write(text)


def test_lines_that_do_not_fit_are_counted_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule of the house: side work cannot hurt a request."""
    monkeypatch.setattr(limits, "ACCESS_LOG_QUEUE_MAX", 10)
    stream = Stuck()
    monkeypatch.setattr(sys, "stdout", stream)
    log = AccessLog("-", 1.0)
    log.offer(entry(0))
    assert stream.writing.wait(10)
    for number in range(1, 16):
        log.offer(entry(number))
    dropped = [log.take_dropped(), log.take_dropped()]
    stream.go_on.set()
    log.close()

    assert [5, 0] == dropped
    assert 11 == stream.getvalue().count("\n")


def test_a_renamed_file_is_left_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), 1.0)
    log.offer(entry(1))
    path.rename(tmp_path / "log.1")
    log.offer(entry(2))
    log.reopen()
    log.offer(entry(3))
    log.close()

    assert (["id-1", "id-2"], ["id-3"]) == (ids(tmp_path / "log.1"), ids(path))


class Broken(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_broken_pipe_costs_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    log = AccessLog("-", 1.0)
    for number in range(3):
        log.offer(entry(number))
    log.close()

    assert not log._thread.is_alive()
    assert 4 == log.take_dropped(), "three lines, and what the last flush may have held"


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_a_full_disk_costs_lines_and_reopening_ends_it(tmp_path: Path) -> None:
    """The lines that waited in the old file's buffer fail once more when it is closed; the new one is opened all the same."""
    path = tmp_path / "log"
    path.symlink_to(FULL)
    log = AccessLog(str(path), 1.0)
    log.offer(entry(1))
    log.offer(entry(2))
    wait_until_taken(log)
    path.unlink()
    log.reopen()
    log.offer(entry(3))
    log.close()

    assert ["id-3"] == ids(path)
    assert log.take_dropped() >= 2


def wait_until_taken(log: AccessLog) -> None:
    """Until the writer's thread has been through all that was offered so far."""
    seen, mark, render = Event(), entry(99), log.line

    def line(last: Entry) -> str:
        if last is mark:
            seen.set()
        return render(last)

    log.line = line  # type: ignore[method-assign]  # the thread looks it up for each entry
    log.offer(mark)
    assert seen.wait(10)


def test_a_path_that_cannot_be_reopened_costs_lines_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(str(folder / "log"), 1.0)
    log.offer(entry(1))
    wait_until_taken(log)
    moved = folder.rename(tmp_path / "moved")
    log.reopen()
    log.offer(entry(2))
    wait_until_taken(log)
    folder.mkdir()
    log.reopen()
    log.offer(entry(3))
    log.close()

    assert (["id-1", "id-99"], ["id-3"]) == (ids(moved / "log"), ids(folder / "log"))
    assert log.take_dropped() >= 2


def test_a_path_that_cannot_be_opened_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AccessLog(str(tmp_path / "none" / "log"), 1.0)


def test_a_closed_log_takes_lines_and_forgets_them(tmp_path: Path) -> None:
    """A request that ends after the log was changed has an answer, and no line."""
    log: Any = AccessLog(str(tmp_path / "log"), 1.0)
    log.close()
    log.offer(entry(1))

    assert [] == ids(tmp_path / "log")
