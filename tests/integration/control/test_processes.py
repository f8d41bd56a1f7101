"""What survives what: a worker killed, a supervisor killed mid-rollout, a plan that is refused, a worker that hangs."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kit.running import Clients, Headgate, Place, alive, place, until

pytestmark = pytest.mark.e2e  # real processes


BROKEN = """
import os, sys
from pathlib import Path
from proxy.control.commands import Commands
from proxy.supervisor.main import run

async def broken(self, given):
    raise AssertionError("a bug")

Commands.obey = broken
sys.exit(run(Path(sys.argv[1]), why="a test", overrides=(), env=os.environ))
"""
"""headgate with a bug: its control loop breaks at the first command."""


def killed(p: Place, headgate: Headgate) -> list[int]:
    """Kill the supervisor as a crash would; returns the workers it leaves."""
    workers = headgate.workers()
    p.port, p.admin_port = headgate.listener, headgate.admin
    headgate.end(signal.SIGKILL)
    return workers


def test_a_killed_worker_is_replaced_and_it_is_ready_again(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        before = headgate.workers()
        os.kill(before[0], signal.SIGKILL)
        until(lambda: headgate.workers()[0] not in (before[0], None))
        until(headgate.ready)
        metrics = headgate.call("GET", "/metrics")[1]

        assert (before[1], True) == (headgate.workers()[1], "headgate_worker_restarts_total 1.0" in metrics)


def test_a_killed_worker_costs_only_what_was_in_flight_in_it(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        clients = Clients(headgate.listener, threads=4)
        until(lambda: sum(clients.answers.values()) > 100)
        os.kill(headgate.workers()[0], signal.SIGKILL)
        until(lambda: headgate.said("worker_down"))
        until(headgate.ready)
        seen = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > seen + 100)
        answers = clients.stop()
        failed = sum(count for key, count in answers.items() if isinstance(key, str))

        assert failed <= 4, answers
        assert {("v1", 200)} == {key for key in answers if not isinstance(key, str)}


def test_a_hung_worker_is_replaced_and_serves_the_new_plan(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        hung = headgate.workers()[1]
        os.kill(hung, signal.SIGSTOP)
        status, _ = headgate.call("POST", "/api/v1/services/shop/rollout/start", {"to": "v2"})
        until(lambda: not alive(hung))
        until(headgate.ready)

        assert (200, {"v1": 80.0, "v2": 20.0}) == (status, headgate.service()["weights"])


def test_after_a_kill_of_the_supervisor_the_next_start_goes_on_at_the_same_step_and_weight(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        p.write(steps="[{weight: 5, for: 60s}, {weight: 30, for: 60s}]")
        headgate = p.running()
        headgate.call("POST", "/api/v1/services/shop/rollout/start", {"to": "v2"})
        headgate.call("POST", "/api/v1/services/shop/rollout/promote", {})
        before = headgate.service()
        killed(p, headgate)
        after = p.running().service()

        assert ("progressing", 1, {"v1": 70.0, "v2": 30.0}) == (before["phase"], before["step"], before["weights"])
        same = ("phase", "step", "weights", "stable", "candidate", "rollout")
        assert {key: before[key] for key in same} == {key: after[key] for key in same}
        assert after["elapsed_s"] >= 0


def test_orphans_serve_on_and_leave_for_the_next_supervisor_without_a_gap(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        clients = Clients(headgate.listener, threads=4)
        until(lambda: sum(clients.answers.values()) > 50)
        orphans = killed(p, headgate)
        p.write()
        seen = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > seen + 100)
        served_alone = [alive(pid) for pid in orphans]
        after = p.running()
        until(lambda: not any(alive(pid) for pid in orphans), patience_s=7.0)
        seen = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > seen + 50)
        answers = clients.stop()

        assert ([True, True], {("v1", 200)}) == (served_alone, set(answers))
        assert not set(orphans) & set(after.workers())


def test_a_control_loop_that_breaks_ends_the_supervisor_and_leaves_the_workers_serving(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.start(BROKEN).accepting()
        p.port, workers = headgate.listener, headgate.workers()
        clients = Clients(headgate.listener, threads=2)
        with contextlib.suppress(OSError, http.client.HTTPException):  # its admin API ends in the middle of the answer
            headgate.call("POST", "/api/v1/services/shop/rollout/pause", {})
        code = headgate.process.wait(20)
        seen = sum(clients.answers.values())
        until(lambda: sum(clients.answers.values()) > seen + 50)
        p.write()
        p.running()
        until(lambda: not any(alive(pid) for pid in workers))

        assert (70, {("v1", 200)}) == (code, set(clients.stop()))


def test_a_guard_still_acts_after_the_supervisor_was_killed(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        headgate.call("POST", "/api/v1/services/shop/rollout/start", {"to": "v2"})
        clients = Clients(headgate.listener, threads=4, pause_s=0.005)
        killed(p, headgate)
        p.write()
        after = p.running()
        p.origins["v2"].bad = True
        until(lambda: after.service()["phase"] == "rolled_back")
        clients.stop()

        assert {"v1": 100.0, "v2": 0.0} == after.service()["weights"]


def test_an_orphan_that_is_told_to_terminate_drains_and_ends(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        orphans = killed(p, p.running())

        def told() -> bool:
            """Each is told again while it lives: one that has not noticed yet that it is an orphan leaves signals to its supervisor."""
            living = [pid for pid in orphans if alive(pid)]
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            return not living

        until(told)


def test_a_unix_listener_is_taken_over_without_a_gap(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        path = tmp_path / "web.sock"
        p.unix = str(path)
        p.write()
        orphans = killed(p, p.running())
        p.write()
        p.running()
        until(lambda: not any(alive(pid) for pid in orphans))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            answer = client.makefile("rb").read()

        assert answer.startswith(b"HTTP/1.1 200")


def test_a_refused_configuration_leaves_every_worker_on_the_old_one(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        before = headgate.call("GET", "/api/v1/status")[1]
        p.write(target="v9")
        status, problem = headgate.call("POST", "/-/reload")
        after = headgate.call("GET", "/api/v1/status")[1]

        assert (422, "services.shop.target", before["digest"], before["generation"], True) == (
            status,
            problem["mistakes"][0]["key"],
            after["digest"],
            after["generation"],
            headgate.ready(),
        )
        assert "headgate_config_last_reload_successful 0.0" in headgate.call("GET", "/metrics")[1]


def test_what_needs_a_restart_is_refused_by_a_reload(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        p.write(workers=1, target="v2")
        status, problem = headgate.call("POST", "/-/reload")

        assert (422, True, None) == (status, "workers: changed" in problem["detail"], headgate.service()["candidate"])


def test_every_answered_request_is_in_the_scrape(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        clients = Clients(headgate.listener, threads=4, pause_s=0.001)
        until(lambda: sum(clients.answers.values()) > 500)
        answers = clients.stop()
        metrics = headgate.call("GET", "/metrics")[1]

        assert f'headgate_requests_total{{code="200",service="shop",version="v1"}} {answers["v1", 200]:.1f}' in metrics
        assert "headgate_reports_lost_total 0.0" in metrics


def test_a_bad_candidate_is_out_within_two_seconds_of_its_first_failure(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        headgate.call("POST", "/api/v1/services/shop/rollout/start", {"to": "v2"})
        clients = Clients(headgate.listener, threads=8, pause_s=0.02)
        candidate = p.origins["v2"]
        until(lambda: len(candidate.seen) > 5)
        failing_from = len(candidate.seen)
        candidate.bad = True
        until(lambda: headgate.service()["phase"] == "rolled_back")
        clients.stop()

        assert candidate.seen[-1] - candidate.seen[failing_from] < 2.0
        assert 3 == headgate.call("GET", "/api/v1/services/shop/history")[1]["revisions"][1]["revision"]
