"""The supervisor as a process: how it starts, what it refuses, what its signals do."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.running import Clients, Headgate, Place, alive, place, until

pytestmark = pytest.mark.e2e  # real processes


@contextmanager
def in_flight(p: Place, headgate: Headgate) -> Iterator[http.client.HTTPConnection]:
    """A request that the origin does not answer yet."""
    p.origins["v1"].open.clear()
    connection = http.client.HTTPConnection("127.0.0.1", headgate.listener, timeout=20)
    connection.request("GET", "/")
    until(lambda: headgate.service()["observed"]["v1"]["in_flight"] == 1)
    try:
        yield connection
    finally:
        connection.close()


def test_it_says_in_one_line_that_every_worker_accepts(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        said = [line for line in headgate.lines() if line.get("event") == "accepting"]
        line = said[0]

        assert (1, 2, headgate.process.pid, str(tmp_path / "headgate.yaml")) == (
            len(said),
            line["workers"],
            line["pid"],
            line["config"],
        )
        assert {"listeners", "digest", "admin", "config_from"} <= line.keys()
        assert 0 == headgate.end()


def test_a_listener_that_is_taken_ends_the_start_naming_it(tmp_path: Path) -> None:
    with place(tmp_path) as p, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        p.port = taken.getsockname()[1]
        p.write()
        headgate = p.start()

        assert 1 == headgate.process.wait(20)
        assert f"headgate: listener web: 127.0.0.1:{p.port} cannot be bound: address already in use" in headgate.log_path.read_text()


def test_an_admin_address_that_is_taken_ends_the_start_naming_it(tmp_path: Path) -> None:
    with place(tmp_path) as p, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        p.admin_port = taken.getsockname()[1]
        p.write()
        headgate = p.start()

        assert 1 == headgate.process.wait(20)
        assert f"headgate: admin.address: 127.0.0.1:{p.admin_port} cannot be bound" in headgate.log_path.read_text()


def test_a_second_supervisor_is_refused_and_told_the_process_of_the_first(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        first = p.running()
        second = p.start()

        assert (1, True) == (second.process.wait(20), first.ready())
        assert f"process {first.process.pid} already runs headgate" in second.log_path.read_text()


def test_mistakes_of_the_configuration_are_told_with_their_places(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        p.write(target="v9")
        headgate = p.start()

        assert 1 == headgate.process.wait(20)
        assert f"{tmp_path / 'headgate.yaml'}:11:13: services.shop.target" in headgate.log_path.read_text()


def test_term_lets_requests_in_flight_finish_and_ends_with_0(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        clients = Clients(headgate.listener)
        until(lambda: sum(clients.answers.values()) > 50)
        workers = headgate.workers()
        code = headgate.end()
        answers = clients.stop()
        refused = {key for key in answers if isinstance(key, str) and not key.startswith(("ConnectionRefused", "ConnectionReset"))}

        assert (0, set(), [False, False]) == (code, refused, [alive(pid) for pid in workers])
        assert (headgate.said("ended") or {})["cut"] == 0


def test_it_is_not_ready_while_it_drains(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        with in_flight(p, headgate) as slow:
            headgate.send(signal.SIGTERM)
            until(lambda: headgate.said("draining"))
            draining = headgate.call("GET", "/-/ready")
            p.origins["v1"].open.set()
            answer = slow.getresponse().read()

        assert ((503, "draining\n"), b"v1", 0) == (draining, answer, headgate.process.wait(20))


def test_a_request_that_outlives_the_drain_timeout_is_cut_and_counted(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        p.write(drain_timeout="200ms")
        headgate = p.running()
        with in_flight(p, headgate):
            code = headgate.end()

        assert (0, 1) == (code, (headgate.said("ended") or {})["cut"])


def test_a_second_term_ends_at_once(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        with in_flight(p, headgate):
            workers = headgate.workers()
            headgate.send(signal.SIGTERM)
            until(lambda: headgate.said("draining"))
            code = headgate.end(signal.SIGINT)

        assert (1, [False, False]) == (code, [alive(pid) for pid in workers])


def test_workers_leave_signals_to_the_supervisor(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to the whole group."""
    with place(tmp_path) as p:
        headgate = p.running()
        workers = headgate.workers()
        for pid in workers:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                os.kill(pid, number)

        assert (True, workers) == (headgate.ready(), headgate.workers())


@pytest.mark.parametrize("door", ["signal", "file", "api"])
def test_every_door_leads_to_a_reload(tmp_path: Path, door: str) -> None:
    with place(tmp_path) as p:
        headgate = p.running()
        p.write(target="v2")
        if door == "signal":
            headgate.send(signal.SIGHUP)
        if door == "api":
            assert 200 == headgate.call("POST", "/-/reload")[0]

        assert until(lambda: headgate.service()["candidate"] == "v2")


def test_usr1_has_workers_open_their_log_again(tmp_path: Path) -> None:
    with place(tmp_path) as p:
        log = tmp_path / "access.log"
        p.write(more=f"access_log: {{path: {log}}}\n")
        headgate = p.running()
        clients = Clients(headgate.listener, threads=1)
        until(lambda: log.exists() and log.read_text())
        log.rename(tmp_path / "access.log.1")
        headgate.send(signal.SIGUSR1)
        fresh = until(lambda: log.exists() and log.read_text())
        clients.stop()

        assert '"version"' in fresh
