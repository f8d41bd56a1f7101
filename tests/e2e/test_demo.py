"""``headgate demo`` as a visitor runs it: the story holds, and nothing is left of it, however it is ended."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from proxy.clock import SystemClock
from tests.kit.processes import interruptible

CLOCK = SystemClock()
DEMO_S_MAX = 60.0
COMMAND = [sys.executable, "-m", "proxy", "demo"]


def left_over(directory: Path) -> list[str]:
    """What is left of a demo whose temporary directory was made in ``directory``: files and processes."""
    return [str(path) for path in directory.glob("headgate-demo-*")] + processes(directory)


def processes(directory: Path) -> list[str]:
    """The command lines of the living processes that were given ``directory`` for temporary files."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (entry / "environ").read_bytes()
            if f"TMPDIR={directory}\0".encode() in environment and (entry / "stat").read_text().split(") ")[-1][0] != "Z":
                commands.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return commands


def gone(directory: Path) -> list[str]:
    """What is left two seconds later at the latest; empty as soon as nothing is."""
    ends = CLOCK.now() + 2.0
    while (left := left_over(directory)) and CLOCK.now() < ends:
        select.select([], [], [], 0.02)
    return left


@contextmanager
def on_a_terminal(directory: Path, *args: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The demo on a pseudo-terminal of its own: the process, and our end of the terminal."""
    ours, its = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"TMPDIR": str(directory), "TERM": "xterm"}
    process = subprocess.Popen(
        [*COMMAND, *args], stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True, preexec_fn=interruptible
    )
    os.close(its)
    try:
        yield process, ours
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        with suppress(OSError):
            os.close(ours)


def read_until(ours: int, pattern: str, seconds: float) -> str:
    """What the terminal showed up to ``pattern``; all that came when it did not come in time."""
    shown, ends = "", CLOCK.now() + seconds
    while not re.search(pattern, shown) and CLOCK.now() < ends:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65536).decode("utf-8", "replace")
            except OSError:
                break
    return shown


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path, float]:
    """A whole demo without a terminal, its directory, and how long it took."""
    directory = tmp_path_factory.mktemp("demo")
    began = CLOCK.now()
    done = subprocess.run(
        [*COMMAND, "--output", "json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEMO_S_MAX,
        env=os.environ | {"TMPDIR": str(directory)},
        check=False,
    )
    return done, directory, CLOCK.now() - began


def test_the_story_goes_as_promised(told: tuple[subprocess.CompletedProcess[str], Path, float]) -> None:
    done = told[0]

    assert done.returncode == 0, done.stderr + done.stdout
    assert [] == [one for one in json.loads(done.stdout)["expectations"] if not one["held"]]


def test_the_bad_version_is_out_within_two_seconds(told: tuple[subprocess.CompletedProcess[str], Path, float]) -> None:
    assert json.loads(told[0].stdout)["rollback"]["exposure_ms"] < 2000


def test_each_step_measured_about_what_was_wanted(told: tuple[subprocess.CompletedProcess[str], Path, float]) -> None:
    """200 sticky users: the binomial 99.9 % bounds of how many of them are on the candidate."""
    steps = json.loads(told[0].stdout)["promotion"]["steps"]
    bounds = {5: range(1, 22), 25: range(31, 72), 50: range(76, 125)}

    assert [5, 25, 50] == [step["wanted_percent"] for step in steps]
    assert [] == [step for step in steps if step["candidate_users"] not in bounds[step["wanted_percent"]]]


def test_it_takes_less_than_a_minute(told: tuple[subprocess.CompletedProcess[str], Path, float]) -> None:
    assert told[2] < DEMO_S_MAX


def test_nothing_is_left_of_it(told: tuple[subprocess.CompletedProcess[str], Path, float]) -> None:
    assert [] == gone(told[1])


@pytest.mark.parametrize("after_s", [0.15, 0.4, 0.8, 1.5, 4.0])
def test_an_interrupt_at_any_moment_leaves_nothing(tmp_path: Path, after_s: float) -> None:
    with on_a_terminal(tmp_path) as (process, ours):
        read_until(ours, "never shown", after_s)
        process.send_signal(signal.SIGINT)
        read_until(ours, "never shown", 0.2)
        code = process.wait(15)

    assert (True, []) == (code in (130, -signal.SIGINT), gone(tmp_path))


def test_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (process, ours):
        read_until(ours, "v1 carries everything", 20)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.wait(15)

    assert [] == gone(tmp_path)


def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    """Its directory stays: nobody is left to remove it."""
    with on_a_terminal(tmp_path) as (process, ours):
        read_until(ours, "v1 carries everything", 20)
        before = processes(tmp_path)
        process.kill()
        process.wait(10)
        ends = CLOCK.now() + 10
        while (left := processes(tmp_path)) and CLOCK.now() < ends:
            select.select([], [], [], 0.05)

    assert (True, []) == (len(before) >= 6, left)  # the demo, three origins, the supervisor, a worker


def test_a_child_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (process, ours):
        read_until(ours, "v1 carries everything", 20)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        origin = next(int(pid) for pid in children if b"origin" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(origin, signal.SIGKILL)
        shown = read_until(ours, "ended unexpectedly", 20)
        code = process.wait(15)

    assert (1, True, []) == (code, re.search(r"origin v\d ended unexpectedly \(signal SIGKILL\)", shown) is not None, gone(tmp_path))


def test_on_a_terminal_it_stays_up_until_interrupted(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (process, ours):
        shown = read_until(ours, "until it ends: exit 0 promoted", DEMO_S_MAX)
        address = re.search(r"curl -i (http://[\d.:]+/cart)", shown)
        assert address is not None, shown
        answer = subprocess.run(["curl", "-s", address[1]], capture_output=True, text=True, timeout=10, check=True).stdout
        process.send_signal(signal.SIGINT)
        code = process.wait(15)

    assert ("v2", 0, []) == (json.loads(answer)["version"], code, gone(tmp_path))
