"""curl through the proxy to a real nginx: what it asks is what the origin gets, and what that says is what it hears."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.nginx import Nginx
from tests.kit.processes import Headgate, free_ports, program
from tests.kit.scene import Scene, versions

LARGE_BYTES = 48 * 1024 * 1024


@dataclass
class Stage:
    """A proxy with three listeners before an nginx."""

    origin: Nginx
    proxy: Headgate
    unix: Path
    v6_port: int
    directory: Path

    def curl(self, *arguments: str, at: str = "") -> subprocess.CompletedProcess[bytes]:
        """curl to its end, silent but for errors."""
        url = f"http://127.0.0.1:{self.proxy.port}"
        command = [program("curl"), "-sS", "--max-time", "60", *(a.replace("PROXY", at or url) for a in arguments)]
        return subprocess.run(command, capture_output=True, timeout=90, check=False, cwd=self.directory)


def has_v6() -> bool:
    """Whether ::1 can be bound here."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    origin = shared_scene.nginx("v1")
    unix = shared_scene.directory / "web.sock"
    v6_port = free_ports(1, "::1")[0] if has_v6() else 0
    proxy = shared_scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}}, start=False)
    proxy.settings["listeners"].append({"name": "local", "address": f"unix:{unix}"})
    if v6_port:
        proxy.settings["listeners"].append({"name": "six", "address": f"[::1]:{v6_port}"})
    proxy.write()
    proxy.start()
    return Stage(origin, proxy, unix, v6_port, shared_scene.directory)


@pytest.fixture(scope="module")
def large(stage: Stage) -> Path:
    """A file of random bytes, outside of nginx."""
    path = stage.directory / "large"
    path.write_bytes(os.urandom(LARGE_BYTES))
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_get_is_answered_by_the_origin(stage: Stage) -> None:
    assert b"v1\n" == stage.curl("PROXY/").stdout


def test_the_origin_is_told_the_client_s_address_and_the_proxy(stage: Stage) -> None:
    said = stage.curl("PROXY/say?x=1").stdout.decode()

    assert re.fullmatch(r"GET /say\?x=1 \|127\.0\.0\.1\|1\.1 headgate-[0-9a-f]{8}\n", said), said


def test_head_has_the_length_of_the_body_that_get_has_and_none(stage: Stage) -> None:
    done = stage.curl("--head", "PROXY/")

    head = done.stdout.decode().lower()
    assert (0, True, True) == (done.returncode, "content-length: 3" in head, head.endswith("\r\n\r\n"))


def test_a_connection_goes_on_after_head(stage: Stage) -> None:
    done = stage.curl("--head", "PROXY/", "--next", "-sS", "-w", "%{num_connects}", "PROXY/")

    assert done.stdout.endswith(b"v1\n0"), done.stdout


def test_post_carries_its_body_s_length(stage: Stage) -> None:
    assert stage.curl("-d", "a=1&b=2", "PROXY/say").stdout.startswith(b"POST /say 7|")


def test_put_then_get_then_delete_of_a_file(stage: Stage) -> None:
    url = "PROXY/files/note"
    put = stage.curl("-w", "%{http_code}", "-X", "PUT", "--data-binary", "remember", url).stdout
    got = stage.curl(url).stdout
    deleted = stage.curl("-w", "%{http_code}", "-X", "DELETE", url).stdout
    after = stage.curl("-o", os.devnull, "-w", "%{http_code}", url).stdout

    assert (b"201", b"remember", b"204", b"404") == (put, got, deleted, after)


def test_a_large_download_arrives_byte_for_byte(stage: Stage, large: Path) -> None:
    (stage.origin.files / "large-down").write_bytes(large.read_bytes())

    done = stage.curl("-o", "down", "PROXY/files/large-down")

    assert (0, digest(large)) == (done.returncode, digest(stage.directory / "down")), done.stderr


def test_a_large_upload_with_expect_100_arrives_byte_for_byte(stage: Stage, large: Path) -> None:
    done = stage.curl("-v", "-T", str(large), "-H", "Expect: 100-continue", "PROXY/files/large-up")

    said = done.stderr.decode()
    assert ("< HTTP/1.1 100 Continue" in said, "< HTTP/1.1 201 " in said) == (True, True), said[-2000:]
    assert digest(large) == digest(stage.origin.files / "large-up")


def test_a_chunked_upload_of_unknown_length_arrives_byte_for_byte(stage: Stage, large: Path) -> None:
    with large.open("rb") as body:
        done = subprocess.run(
            [program("curl"), "-sS", "-w", "%{http_code}", "-T", "-", f"http://127.0.0.1:{stage.proxy.port}/files/large-chunked"],
            stdin=body,
            capture_output=True,
            timeout=90,
            check=False,
        )

    assert b"201" == done.stdout, done.stderr
    assert digest(large) == digest(stage.origin.files / "large-chunked")


def test_a_range_of_a_file_is_relayed_as_206(stage: Stage) -> None:
    (stage.origin.files / "letters").write_bytes(b"abcdefgh")

    done = stage.curl("-w", " %{http_code}", "-r", "2-4", "PROXY/files/letters")

    assert b"cde 206" == done.stdout


def test_an_unchanged_file_is_304_and_the_connection_goes_on(stage: Stage) -> None:
    (stage.origin.files / "old").write_bytes(b"old")
    modified = re.search(rb"Last-Modified: (.*?)\r", stage.curl("--head", "PROXY/files/old").stdout)
    assert modified is not None

    done = stage.curl(
        *("-w", "%{http_code} ", "-H", f"If-Modified-Since: {modified[1].decode()}", "PROXY/files/old"),
        *("--next", "-sS", "-w", "%{num_connects}", "PROXY/"),
    )

    assert b"304 v1\n0" == done.stdout


def test_an_http_1_0_client_is_answered_and_its_connection_closed(stage: Stage) -> None:
    done = stage.curl("--http1.0", "-i", "PROXY/")

    assert (True, True) == (done.stdout.endswith(b"\r\n\r\nv1\n"), b"\r\nConnection: close\r\n" in done.stdout), done.stdout


def test_a_client_of_the_unix_socket_is_answered(stage: Stage) -> None:
    assert b"v1\n" == stage.curl("--unix-socket", str(stage.unix), "http://shop/").stdout


def test_a_client_on_ipv6_is_answered_and_named_to_the_origin(stage: Stage) -> None:
    if not stage.v6_port:
        pytest.skip("::1 cannot be bound here")

    done = stage.curl("PROXY/say", at=f"http://[::1]:{stage.v6_port}")

    assert b"|::1|" in done.stdout, done.stdout + done.stderr
