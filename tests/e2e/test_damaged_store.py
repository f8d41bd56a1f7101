"""The state file of a running proxy is damaged: its next start stands at the last known stables, and says what was lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.kit.clients import Paced, get
from tests.kit.processes import ROOT, Headgate
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until


def shop(v1: str, v2: str, *, step_s: str = "100ms") -> dict[str, object]:
    return {
        "shop": {
            "versions": versions(v1=v1, v2=v2),
            "target": "v1",
            "rollout": {"steps": [{"weight": 50, "for": step_s, "min_requests": 1}]},
        }
    }


def state(proxy: Headgate) -> Path:
    return Path(proxy.settings["state"]["path"])


def end_and_scribble(proxy: Headgate, number: int) -> None:
    """End it by a signal; overwrite what it kept, from the second page of the file on and all of the log, as a failing disk does.

    TERM folds the log into the file; after KILL most of what it kept is in the log.
    """
    proxy.signal(number)
    proxy.child.process.wait(30)
    for path in (state(proxy), state(proxy).with_name(f"{state(proxy).name}-wal")):
        if path.exists() and (size := path.stat().st_size) > 4096:
            with path.open("r+b") as file:
                file.seek(4096 if path == state(proxy) else 0)
                file.write(os.urandom(size - file.tell()))


def test_after_a_promotion_the_new_stable_stands_and_an_undo_still_knows_where_to(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    proxy = scene.headgate(shop(v1.url, v2.url))
    with Paced(proxy.port, [get()] * 4, rate=100).running() as outcome:
        proxy.say("start", to="v2")
        proxy.until_phase("stable", 20)
    end_and_scribble(proxy, signal.SIGTERM)
    proxy.start()
    with Paced(proxy.port, [get()] * 4, rate=100).running() as afterwards:
        view, history = proxy.service(), proxy.history()
        undone = proxy.say("undo")
        aside = [
            path.name for path in state(proxy).parent.iterdir() if ".damaged-" in path.name and not path.name.endswith(("-wal", "-shm"))
        ]

    assert ("v2", "stable") == (view["stable"], view["phase"])
    assert ["recovered"] == [entry["kind"] for entry in history]
    assert len(aside) == 1
    assert aside[0] in history[0]["reason"]
    assert history[0]["reason"].endswith("and their history begins anew")
    assert "v1" in (undone["stable"], undone["candidate"]), undone
    assert ([], []) == (outcome.bad + afterwards.bad, outcome.failures + afterwards.failures)


def test_in_mid_rollout_it_falls_to_what_was_stable_and_with_both_files_damaged_it_does_not_guess(scene: Scene) -> None:
    v1, v2 = scene.origin("v1"), scene.origin("v2")
    proxy = scene.headgate(shop(v1.url, v2.url, step_s="1h"))
    with Paced(proxy.port, [get()] * 4, rate=100).running() as outcome:
        proxy.say("start", to="v2")
        until(lambda: proxy.service()["observed"]["v2"]["requests"] > 10, 20, "candidate requests")
        end_and_scribble(proxy, signal.SIGKILL)
        proxy.start()
        view, history = proxy.service(), proxy.history()
    end_and_scribble(proxy, signal.SIGTERM)
    state(proxy).with_name(f"{state(proxy).name}.last-known.json").write_bytes(b"{" + os.urandom(64))
    command = [sys.executable, "-m", "proxy", "run", "--config", str(proxy.config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    refused = subprocess.run(command, cwd=proxy.directory, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = refused.stdout + refused.stderr

    assert ("v1", "stable", 100.0) == (view["stable"], view["phase"], view["weights"]["v1"])
    assert ("recovered", True) == (history[-1]["kind"], "their history begins anew" in history[-1]["reason"])
    assert [] == outcome.failures
    assert (1, True) == (refused.returncode, "so no service's stable version is known; restore one of them, or move both" in said), said
