"""Addresses: bound for every slot, refused by name when taken, taken over from a dead predecessor and from nobody else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import OperatorError
from proxy.model.intent import Listener
from proxy.supervisor.lock import Claim
from proxy.supervisor.sockets import Sockets, is_worker
from tests.kit.running import until

WEB = Listener("web", "127.0.0.1", 0)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that somebody listens on, willing to share it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    yield sock
    sock.close()


def test_every_slot_has_its_own_socket_on_the_same_port() -> None:
    sockets = Sockets([WEB], 3, None)
    own = [sockets.of_slot(slot)[0][1] for slot in range(3)]

    assert (3, 1) == (len({s.fileno() for s in own}), len({s.getsockname() for s in own}))
    assert f"127.0.0.1:{own[0].getsockname()[1]}" == sockets.addresses["web"]
    sockets.close()


def test_nobody_is_dealt_a_connection_before_a_worker_listens() -> None:
    sockets = Sockets([WEB], 1, None)
    port = sockets.of_slot(0)[0][1].getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    sockets.close()


def test_a_taken_port_is_an_error_that_names_listener_and_address(taken: socket.socket) -> None:
    """Even if its holder would share it: two headgates that share a port would split its traffic, silently."""
    port = taken.getsockname()[1]
    with pytest.raises(OperatorError, match=f"listener web: 127.0.0.1:{port} cannot be bound: address already in use"):
        Sockets([Listener("web", "127.0.0.1", port)], 1, None)


@pytest.fixture
def orphan() -> Iterator[int]:
    """A process that passes for a worker whose supervisor is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()", "proxy.supervisor.worker"], stdin=subprocess.PIPE) as process:
        until(lambda: is_worker(process.pid))  # its command line can be read a moment after its start only
        yield process.pid
        process.communicate(b"\n")


def test_a_port_is_shared_with_the_workers_of_a_dead_predecessor(taken: socket.socket, orphan: int) -> None:
    port = taken.getsockname()[1]
    sockets = Sockets([Listener("web", "127.0.0.1", port)], 1, Claim(pid=1, instance="a", workers=(orphan,)))

    assert f"127.0.0.1:{port}" == sockets.addresses["web"]
    sockets.close()


def test_an_unknown_host_is_said_to_be_unknown() -> None:
    with pytest.raises(OperatorError, match=r"listener web: no\.such\.host\.invalid:80 cannot be bound: no such host"):
        Sockets([Listener("web", "no.such.host.invalid", 80)], 1, None)


def test_when_one_cannot_be_bound_none_stays_open(taken: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    with pytest.raises(OperatorError):
        Sockets([Listener("first", unix=path), Listener("second", "127.0.0.1", taken.getsockname()[1])], 1, None)

    assert not os.path.exists(path)


def test_a_unix_path_has_one_socket_for_all_slots_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    sockets = Sockets([Listener("web", unix=path)], 2, None)
    own = [sockets.of_slot(slot)[0][1] for slot in range(2)]
    there = os.path.exists(path)
    sockets.close()

    assert (True, True, False) == (own[0] is own[1], there, os.path.exists(path))


def test_a_unix_path_that_a_stranger_serves_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(path)
        stranger.listen()
        with pytest.raises(OperatorError, match=f"listener web: unix:{path} cannot be bound"):
            Sockets([Listener("web", unix=path)], 1, None)


def test_a_file_at_a_unix_path_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    path.write_text("mine")
    with pytest.raises(OperatorError):
        Sockets([Listener("web", unix=str(path))], 1, None)

    assert "mine" == path.read_text()


def test_a_unix_path_that_nobody_serves_any_more_is_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    sockets = Sockets([Listener("web", unix=path)], 1, None)

    assert ((path,),) == tuple((made[0],) for made in sockets.unix_sockets())
    sockets.close()


def test_a_predecessors_unix_path_is_taken_over_while_its_workers_still_serve_it(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as orphaned:
        orphaned.bind(path)
        orphaned.listen()
        status = os.stat(path)
        sockets = Sockets([Listener("web", unix=path)], 1, Claim(1, "a", sockets=((path, status.st_dev, status.st_ino),)))
        sockets.of_slot(0)[0][1].listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            accepted, _ = sockets.of_slot(0)[0][1].accept()
            accepted.close()

    assert (path, status.st_dev, status.st_ino) not in sockets.unix_sockets()
    sockets.close()


def test_a_successors_unix_path_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "web.sock")
    ours = Sockets([Listener("web", unix=path)], 1, None)
    theirs = Sockets([Listener("web", unix=path)], 1, Claim(1, "a", sockets=ours.unix_sockets()))
    ours.close()

    assert os.path.exists(path)
    theirs.close()


def test_this_process_is_no_worker_and_a_process_that_is_gone_is_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()

    assert (False, False) == (is_worker(os.getpid()), is_worker(gone.pid))
