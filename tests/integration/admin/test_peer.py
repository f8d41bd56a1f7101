"""Whose the other end of a connection is, asked of a real kernel."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from proxy.admin.peer import duplicate, peer_user, question, uid_in, user_name

ME = f"user {pwd.getpwuid(os.getuid()).pw_name}"


def accepted(listener: socket.socket, client: socket.socket) -> str:
    """What is said of a client that has just connected."""
    with listener, client, listener.accept()[0] as peer:
        return peer_user(peer)


def test_a_client_on_loopback_is_the_user_that_runs_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    assert ME == accepted(listener, socket.create_connection(listener.getsockname()))


def test_over_ipv6_too() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")

    assert ME == accepted(listener, socket.create_connection(listener.getsockname()[:2]))


def test_over_a_unix_socket_too(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "admin.sock"))
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(tmp_path / "admin.sock"))

    assert ME == accepted(listener, client)


def test_a_connection_that_is_gone_is_nobodys() -> None:
    with socket.socket() as never:
        assert "" == peer_user(never)


def test_a_kernel_that_does_not_answer_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    monkeypatch.setattr("proxy.admin.peer.socket.socket", refused)
    said = peer_user(peer)
    for each in (peer, client, listener):
        each.close()

    assert "" == said


@pytest.mark.parametrize("answer", [b"", b"\x24\0\0\0\x02\0" + bytes(30), bytes(200)])
def test_an_answer_that_is_none_names_nobody(answer: bytes) -> None:
    assert None is uid_in(answer)


def test_the_question_names_both_ends() -> None:
    asked = question(socket.AF_INET, ("127.0.0.1", 0x1234), ("127.0.0.2", 0x5678))

    assert (72, b"\x12\x34\x56\x78", b"\x7f\0\0\x01", b"\x7f\0\0\x02") == (len(asked), asked[24:28], asked[28:32], asked[44:48])


def test_a_user_without_a_name_is_a_number() -> None:
    assert "4123456789" == user_name(4123456789)


def test_a_duplicate_is_another_descriptor_of_the_same_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, duplicate(listener.fileno()) as own:
        assert (True, listener.getsockname()) == (own.fileno() != listener.fileno(), own.getsockname())
