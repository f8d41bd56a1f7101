"""Calls to an admin over real sockets: what comes back, and each way of getting nothing."""

from __future__ import annotations

import json
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from proxy import limits
from proxy.cli.address import Found, parse
from proxy.cli.client import AdminClient, Refused, Unreachable, _json
from tests.kit.pretended_admin import PretendedAdmin, pretended_admin


@pytest.fixture
def admin() -> Iterator[PretendedAdmin]:
    with pretended_admin() as running:
        yield running


def client(url: str, token: str = "", timeout_s: float = 5.0) -> AdminClient:
    return AdminClient(Found(parse(url, why="--admin"), token), timeout_s=timeout_s)


@contextmanager
def answering(data: bytes, family: int = socket.AF_INET, where: object = ("127.0.0.1", 0)) -> Iterator[socket.socket]:
    """A socket whose first client gets ``data`` after its request, and then the end."""
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(where)
    server.listen(1)

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        thread.join(5)
        server.close()


def test_a_json_answer_is_its_value(admin: PretendedAdmin) -> None:
    admin.says("GET /api/v1/status", {"services": []})

    assert {"services": []} == client(admin.url).get("/api/v1/status")


def test_the_token_is_shown(admin: PretendedAdmin) -> None:
    admin.says("POST /-/reload", {})

    client(admin.url, token="secret").post("/-/reload", {})

    assert [("POST /-/reload", {}, "Bearer secret")] == admin.asked


def test_a_unix_socket_is_spoken_to(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    with answering(reply, socket.AF_UNIX, path):
        assert {} == client(f"unix:{path}").get("/api/v1/status")


def test_nothing_listening_names_the_address_and_the_remedy() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port meanwhile
        url = f"http://127.0.0.1:{held.getsockname()[1]}"

        with pytest.raises(Unreachable, match=rf"nothing listens at {url} \(from --admin\): start it with `headgate run`"):
            client(url).get("/api/v1/status")


def test_a_missing_unix_socket_is_nothing_listening(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="nothing listens at unix:"):
        client(f"unix:{tmp_path}/gone.sock").get("/api/v1/status")


def test_silence_ends_at_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)

        with pytest.raises(Unreachable, match=r"no answer from .* within 0.1 s"):
            client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1).within(5.0).get("/api/v1/status")


def test_a_refused_token_says_what_to_check(admin: PretendedAdmin) -> None:
    admin.says("GET /api/v1/status", {"title": "Unauthorized"}, status=401, media="application/problem+json")

    with pytest.raises(Refused, match=r"refused the token; check it against admin\.token_file"):
        client(admin.url, token="old").get("/api/v1/status")


def test_a_missing_token_says_how_to_give_one(admin: PretendedAdmin) -> None:
    admin.says("GET /api/v1/status", {"title": "Unauthorized"}, status=401, media="application/problem+json")

    with pytest.raises(Refused, match=r"a call without a token; give one with --token-file"):
        client(admin.url).get("/api/v1/status")


def test_a_problem_is_said_in_its_own_words(admin: PretendedAdmin) -> None:
    problem = {"title": "Conflict", "detail": "nothing to promote", "status": 409}
    admin.says("POST /x", problem, status=409, media="application/problem+json")

    with pytest.raises(Refused, match="nothing to promote") as refused:
        client(admin.url).post("/x", {})

    assert (409, problem) == (refused.value.status, refused.value.problem)


def test_another_web_server_is_not_taken_for_headgate(admin: PretendedAdmin) -> None:
    admin.says("GET /api/v1/status", b"<html>hello</html>", media="text/html")

    with pytest.raises(Unreachable, match="does not answer like headgate's admin"):
        client(admin.url).get("/api/v1/status")


def test_broken_json_is_not_taken_for_headgate(admin: PretendedAdmin) -> None:
    admin.says("GET /api/v1/status", b"{")

    with pytest.raises(Unreachable, match="does not answer like headgate's admin"):
        client(admin.url).get("/api/v1/status")


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/9 x y\r\n\r\n"])
def test_another_protocol_is_not_taken_for_headgate(data: bytes) -> None:
    with answering(data) as server, pytest.raises(Unreachable, match="does not speak HTTP"):
        client(f"http://127.0.0.1:{server.getsockname()[1]}").get("/api/v1/status")


def test_a_connection_that_closes_without_an_answer_is_named() -> None:
    with answering(b"") as server, pytest.raises(Unreachable, match="broke the connection"):
        client(f"http://127.0.0.1:{server.getsockname()[1]}").get("/api/v1/status")


def test_a_cut_answer_is_no_answer() -> None:
    data = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{}"
    with answering(data) as server, pytest.raises(Unreachable, match="7 bytes of the answer are missing"):
        client(f"http://127.0.0.1:{server.getsockname()[1]}").get("/api/v1/status")


def test_an_answer_beyond_the_bound_is_not_read(admin: PretendedAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADMIN_ANSWER_BYTES_MAX", 100)
    admin.says("GET /api/v1/status", {"x": "y" * 200})

    with pytest.raises(Unreachable, match="more than 100 bytes"):
        client(admin.url).get("/api/v1/status")


def test_a_write_says_who_gives_the_command(admin: PretendedAdmin) -> None:
    admin.says("POST /x", {})
    client(admin.url).post("/x", {})

    assert [pwd.getpwuid(os.getuid()).pw_name] == admin.users


def test_a_user_whom_nobody_named_is_a_number(admin: PretendedAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    admin.says("POST /x", {})
    client(admin.url).post("/x", {})

    assert [str(os.getuid())] == admin.users


@pytest.mark.parametrize("text", ["🎉", "é", "\u2028", "\x85", "\ufeff", '"\\', "plain"])
def test_what_is_sent_reads_the_same_as_yaml(text: str) -> None:
    """A configuration is sent as JSON, and read as what configurations are written in."""
    body = _json({"text": text})

    assert ({"text": text}, {"text": text}) == (json.loads(body), yaml.safe_load(body))
