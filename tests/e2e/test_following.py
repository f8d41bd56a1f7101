"""Following a rollout of a real proxy: it may restart meanwhile, and whoever follows may leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clients import Paced, get
from tests.kit.processes import ROOT, Headgate, interruptible
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

pytestmark = pytest.mark.e2e

END_S = 30.0


class Following:
    """A verb that stays: ``headgate ...`` in a process of its own, with what it says in files."""

    def __init__(self, proxy: Headgate, directory: Path, name: str, *args: str) -> None:
        self.out, self.err = directory / f"{name}.out", directory / f"{name}.err"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADGATE_")}
        environment |= {"HEADGATE_ADMIN": f"http://127.0.0.1:{proxy.admin_port}", "PYTHONPATH": str(ROOT)}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, "-m", "proxy", *args]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, cwd=directory, env=environment, preexec_fn=interruptible)

    def until_says(self, words: str) -> None:
        until(lambda: words in self.out.read_text() + self.err.read_text(), END_S, lambda: f"{words!r} in {self.said()}")

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def ends(self) -> int:
        return self.process.wait(END_S)


@pytest.fixture(scope="module")
def running(shared_scene: Scene) -> Iterator[Headgate]:
    """Before a service whose rollout waits at its first gate, under traffic."""
    origins = {name: shared_scene.origin(name) for name in ("v1", "v2")}
    plan = {"steps": [{"weight": 20}, {"gate": "manual"}, {"weight": 50}]}
    shop = {"versions": versions(**{name: origin.url for name, origin in origins.items()}), "target": "v1", "rollout": plan}
    made = shared_scene.headgate({"shop": shop})
    with Paced(made.port, [get("shop")], rate=50.0).running():
        yield made


@pytest.fixture
def proxy(running: Headgate) -> Headgate:
    """With nothing under way."""
    if running.service()["phase"] == "paused":
        running.say("abort", reason="the next story")
    return running


def test_whoever_stops_following_leaves_the_rollout_running(proxy: Headgate, tmp_path: Path) -> None:
    proxy.say("start", to="v2")
    following = Following(proxy, tmp_path, "watch", "rollout", "watch", "shop")
    following.until_says("gate after step 1")
    following.process.send_signal(signal.SIGINT)

    assert (130, "paused") == (following.ends(), proxy.service()["phase"])
    assert "the rollout of shop goes on" in following.err.read_text()


def test_an_aborted_rollout_is_exit_1_with_the_reason(proxy: Headgate, tmp_path: Path) -> None:
    following = Following(proxy, tmp_path, "start", "rollout", "start", "shop", "--to", "v2", "--wait")
    following.until_says("gate after step 1")
    proxy.say("abort", reason="second thoughts")

    assert 1 == following.ends()
    assert "second thoughts" in following.out.read_text().splitlines()[-1], following.said()


def test_a_rollout_that_takes_too_long_is_exit_1_and_goes_on(proxy: Headgate, tmp_path: Path) -> None:
    following = Following(proxy, tmp_path, "start", "rollout", "start", "shop", "--to", "v2", "--wait", "--timeout", "2s")

    assert (1, "paused") == (following.ends(), proxy.service()["phase"]), following.said()
    assert "v2 is not through: it is paused after 2 s, and goes on" in following.out.read_text()


def test_the_end_is_told_although_the_proxy_was_killed_meanwhile(proxy: Headgate, tmp_path: Path) -> None:
    """The last story: v2 is stable after it."""
    following = Following(proxy, tmp_path, "start", "rollout", "start", "shop", "--to", "v2", "--wait", "--output", "json")
    following.until_says("gate after step 1")
    os.kill(proxy.child.pid, signal.SIGKILL)
    following.until_says("looking again")
    proxy.start()
    following.until_says("it answers again")
    proxy.say("promote")
    lines: list[dict[str, Any]] = [json.loads(line) for line in (following.ends(), following.out.read_text())[1].splitlines()]

    assert (0, "promoted", "v2") == (following.process.returncode, lines[-1]["result"], lines[-1]["stable"]), following.said()
