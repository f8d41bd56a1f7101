"""The access log: lines whole and in order, and nothing that can go wrong with a file costs more than lines."""

from __future__ import annotations

import fcntl
import json
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy import limits
from proxy.telemetry.access_log import AccessLog, Entry
from tests.kit.running import until

FULL = Path("/dev/full")  # every write to it fails as on a full disk
PIPE_BYTES = 4096  # the least that Linux gives a pipe


def entry(
    number: int = 0,
    *,
    wall_s: float = 1_700_000_000.1239,
    cause: str | None = None,
    code: int = 200,
    path: bytes = b"/a",
    client: bytes = b"192.0.2.7",
) -> Entry:
    outcome = code, cause, 0.0123456, 0, "", False, "", ""
    return wall_s, client, b"GET", b"shop", path, ("shop", "v2"), outcome, b"id-%d" % number


class Clock:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.calls.append((delay_s, call))


def opened(path: Path | str, sample: float = 1.0, *, clock: Clock | None = None, chance: float = 0.5) -> AccessLog:
    return AccessLog(str(path), sample, later=(clock or Clock()).later, chance=lambda: chance)


def closed(log: AccessLog) -> None:
    log.close(10.0)
    assert not log._thread.is_alive(), "it cannot end"


@pytest.fixture
def pipe() -> Iterator[tuple[int, str]]:
    """A small pipe: its end for reading, and the path of the other."""
    out, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield out, f"/dev/fd/{into}"
    for file in (out, into):
        os.close(file)


def ids(path: Path) -> list[str]:
    return [json.loads(text)["request_id"] for text in path.read_text().splitlines()]


# -- lines --------------------------------------------------------------------------------------------------------------------


def test_a_line_is_one_json_object(tmp_path: Path) -> None:
    log = opened(tmp_path / "log")
    log.offer(entry(7))
    closed(log)

    assert (tmp_path / "log").read_text() == (
        '{"at":"2023-11-14T22:13:20.123Z","client":"192.0.2.7","method":"GET","host":"shop","path":"/a","service":"shop","code":200,'
        '"duration_ms":12.346,"version":"v2","request_id":"id-7"}\n'
    )


def test_a_moment_is_said_in_milliseconds_and_never_rounded_into_the_next_second(tmp_path: Path) -> None:
    moments = {
        1_700_000_000.1239: "2023-11-14T22:13:20.123Z",
        1_700_000_000.1241: "2023-11-14T22:13:20.124Z",
        1_700_000_000.0: "2023-11-14T22:13:20.000Z",
        1_699_999_999.9999: "2023-11-14T22:13:19.999Z",
    }
    log = opened(tmp_path / "log")
    for wall_s in moments:
        log.offer(entry(wall_s=wall_s))
    closed(log)

    assert list(moments.values()) == [json.loads(text)["at"] for text in (tmp_path / "log").read_text().splitlines()]


def test_a_failure_has_its_cause(tmp_path: Path) -> None:
    log = opened(tmp_path / "log")
    log.offer(entry(cause="connect", code=502))
    closed(log)

    assert "connect" == json.loads((tmp_path / "log").read_text())["cause"]


def test_nothing_a_client_sends_can_break_a_line(tmp_path: Path) -> None:
    log = opened(tmp_path / "log")
    log.offer(entry(path=b'/"\n{}\\\x1b\x00', client=b"\x9b31m\xff"))
    closed(log)
    lines = (tmp_path / "log").read_bytes().splitlines()

    assert 1 == len(lines)
    assert '/"\n{}\\\x1b\x00' == json.loads(lines[0])["path"]
    assert (False, True) == (b"\x1b" in lines[0], lines[0].isascii())


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"request_id": "before"}\n')
    log = opened(path)
    for number in range(2000):  # several batches
        log.offer(entry(number))
    closed(log)

    assert ["before", *(f"id-{number}" for number in range(2000))] == ids(path)


def test_standard_output_is_written_and_left_open(capfd: pytest.CaptureFixture[str]) -> None:
    log = opened("-")
    log.offer(entry(1))
    log.reopen()
    log.offer(entry(2))
    closed(log)
    os.write(1, b"still open\n")
    lines = capfd.readouterr().out.splitlines()

    assert (["id-1", "id-2"], "still open") == ([json.loads(text)["request_id"] for text in lines[:2]], lines[2])


# -- when they are written ------------------------------------------------------------------------------------------------------


def test_a_line_waits_for_others_for_a_moment_and_one_call_takes_all(tmp_path: Path) -> None:
    clock = Clock()
    log = opened(tmp_path / "log", clock=clock)
    for number in range(3):
        log.offer(entry(number))
    assert ([limits.ACCESS_LOG_BATCH_S], "") == ([delay for delay, _ in clock.calls], (tmp_path / "log").read_text())
    clock.calls.pop()[1]()
    until(lambda: len(ids(tmp_path / "log")) == 3)
    log.offer(entry(4))

    assert 1 == len(clock.calls), "the next line is waited for again"
    closed(log)


def test_many_lines_do_not_wait(tmp_path: Path) -> None:
    log = opened(tmp_path / "log", clock=Clock())
    for _ in range(limits.ACCESS_LOG_TOGETHER):
        log.offer(entry(path=b"/" + b"a" * (limits.ACCESS_LOG_BATCH_BYTES // limits.ACCESS_LOG_TOGETHER)))
    until(lambda: limits.ACCESS_LOG_TOGETHER == len(ids(tmp_path / "log")))
    closed(log)


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
    tmp_path: Path, sample: float, failed: bool, chance: float, wanted: bool
) -> None:
    log = opened(tmp_path / "log", sample, chance=chance)

    assert wanted is log.wanted(failed)
    closed(log)


# -- what goes wrong ----------------------------------------------------------------------------------------------------------


def test_lines_that_do_not_fit_are_counted_and_not_waited_for(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, str]) -> None:
    """Rule of the house: side work cannot hurt a request."""
    monkeypatch.setattr(limits, "ACCESS_LOG_TOGETHER", 1)
    monkeypatch.setattr(limits, "ACCESS_LOG_BATCH_BYTES", 1)
    monkeypatch.setattr(limits, "ACCESS_LOG_WAITING_BYTES_MAX", 4 * PIPE_BYTES)
    log = opened(pipe[1])
    for number in range(1000):
        log.offer(entry(number))
    dropped = [log.take_dropped(), log.take_dropped()]
    log.close()
    heard = b""
    while heard.count(b"\n") < 1000 - dropped[0] and select.select([pipe[0]], [], [], 10)[0]:
        heard += os.read(pipe[0], 65536)
    closed(log)

    numbers = [int(json.loads(text)["request_id"].removeprefix("id-")) for text in heard.splitlines()]
    assert dropped[0] > 1000 - 10 * PIPE_BYTES // 150, "nearly all"
    assert (0, 1000 - dropped[0], sorted(numbers)) == (dropped[1], len(numbers), numbers)


def test_what_goes_into_a_pipe_is_cut_between_lines(pipe: tuple[int, str]) -> None:
    """Workers share standard output; only up to PIPE_BUF bytes stay in one piece there (pipe(7))."""
    log = opened(pipe[1])
    for number in range(100):
        log.offer(entry(number))
    log.offer(entry(path=b"/" + b"a" * 2 * select.PIPE_BUF))  # which no write can keep in one piece
    log.offer(entry(101))
    log.flush()
    pieces = []
    while sum(map(len, pieces)) < log._handed:
        assert select.select([pipe[0]], [], [], 10)[0], "no more comes"
        pieces.append(os.read(pipe[0], select.PIPE_BUF))
    closed(log)
    sizes = [sum(map(len, pieces[: place + 1])) for place in range(len(pieces))]
    heard = b"".join(pieces)

    assert 102 == heard.count(b"\n")
    assert all(heard[size - 1 : size] == b"\n" for size in sizes if size < heard.index(b"/aaaa"))


def test_a_pipe_that_does_not_block_is_waited_for(pipe: tuple[int, str]) -> None:
    log = opened(pipe[1])
    os.set_blocking(log._file, False)
    for number in range(200):
        log.offer(entry(number))
    log.close()
    heard = b""
    while heard.count(b"\n") < 200 and select.select([pipe[0]], [], [], 10)[0]:
        heard += os.read(pipe[0], 1000)
    closed(log)

    assert (200, 0) == (heard.count(b"\n"), log.take_dropped())


def test_a_renamed_file_is_left_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = opened(path)
    log.offer(entry(1))
    path.rename(tmp_path / "log.1")
    log.offer(entry(2))
    log.reopen()
    log.offer(entry(3))
    closed(log)

    assert (["id-1", "id-2"], ["id-3"]) == (ids(tmp_path / "log.1"), ids(path))


def test_a_broken_pipe_costs_lines_and_nothing_else() -> None:
    out, into = os.pipe()
    log = opened(f"/dev/fd/{into}")
    os.close(into)
    os.close(out)
    for number in range(3):
        log.offer(entry(number))
    closed(log)

    assert 3 == log.take_dropped()


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_a_full_disk_costs_lines_and_reopening_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.symlink_to(FULL)
    log = opened(path)
    log.offer(entry(1))
    log.offer(entry(2))
    log.flush()
    until(lambda: log._lost == 2)
    path.unlink()
    log.reopen()
    log.offer(entry(3))
    closed(log)

    assert (["id-3"], 2, 0) == (ids(path), log.take_dropped(), log.take_dropped())


def test_a_disk_that_fills_within_a_batch_costs_what_is_not_out_and_tears_no_other_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [400]
    write = os.write

    def scarce(file: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = write(file, bytes(data[: room[0]]))
        room[0] -= taken
        return taken

    log = opened(tmp_path / "log")
    monkeypatch.setattr("proxy.telemetry.access_log.os.write", scarce)
    for number in range(5):
        log.offer(entry(number))
    log.flush()
    until(lambda: log._lost > 0)
    room[0] = 10_000
    log.offer(entry(9))
    closed(log)
    texts = (tmp_path / "log").read_text().splitlines()

    assert 3 == log.take_dropped(), "two lines of some 150 bytes and part of a third were out"
    assert ["id-0", "id-1", "id-9"] == [json.loads(text)["request_id"] for text in (*texts[:2], texts[3])]
    assert 4 == len(texts)


def test_a_path_that_cannot_be_reopened_costs_lines_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = opened(folder / "log")
    log.offer(entry(1))
    log.flush()
    until(lambda: ids(folder / "log") == ["id-1"])
    moved = folder.rename(tmp_path / "moved")
    log.reopen()
    log.offer(entry(2))
    log.flush()
    until(lambda: log._lost == 1)
    folder.mkdir()
    log.reopen()
    log.offer(entry(3))
    closed(log)

    assert (["id-1"], ["id-3"], 1) == (ids(moved / "log"), ids(folder / "log"), log.take_dropped())


def test_a_path_that_cannot_be_opened_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "none" / "log")


def test_a_closed_log_takes_lines_and_forgets_them(tmp_path: Path) -> None:
    """A request that ends after the log was changed has an answer, and no line."""
    log = opened(tmp_path / "log")
    closed(log)
    log.offer(entry(1))
    log.flush()

    assert ([], 0) == (ids(tmp_path / "log"), log.take_dropped())


def test_closing_does_not_wait_for_a_reader_unless_it_is_told_to(pipe: tuple[int, str]) -> None:
    log = opened(pipe[1])
    for number in range(200):
        log.offer(entry(number))
    log.close()  # returns though the pipe is full

    assert log._thread.is_alive()
    until(lambda: not (log._thread.is_alive() and (not select.select([pipe[0]], [], [], 0.01)[0] or os.read(pipe[0], 65536))))
