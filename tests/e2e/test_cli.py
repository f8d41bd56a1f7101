"""The verbs against a real ``headgate run``: started, asked, reloaded, drained."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from proxy.clock import SystemClock
from tests.kit.processes import interruptible

CLOCK = SystemClock()
HEADGATE = [sys.executable, "-m", "proxy"]
CONFIG = """\
listeners: [{{name: web, address: "127.0.0.1:{port}"}}]
admin: {{address: "{admin}"{token}}}
state: {{path: state.db}}
services:
  shop:
    versions:
      v1: {{endpoints: ["http://127.0.0.1:{origin}"]}}
      v2: {{endpoints: ["http://127.0.0.1:{origin}"]}}
    target: v1
    rollout: {{steps: [{{weight: 5, min_requests: 1000000}}]}}
routes: [{{match: {{path_prefix: /}}, service: shop}}]
"""


class Running:
    """A proxy started from the command line in a directory of its own; verbs are run there too."""

    def __init__(self, directory: Path, *, admin: str = "", token: str = "") -> None:
        with ExitStack() as stack:
            held = [stack.enter_context(socket.socket()) for _ in range(3)]
            for sock in held:
                sock.bind(("127.0.0.1", 0))
            self.port, admin_port, self.origin = (int(sock.getsockname()[1]) for sock in held)
        self.directory = directory
        self.config = directory / "headgate.yaml"
        where = admin or f"127.0.0.1:{admin_port}"
        self.config.write_text(CONFIG.format(port=self.port, admin=where, token=token, origin=self.origin))
        self.log = directory / "run.log"
        self.process = self._spawn("run", log=self.log)
        self.origin_process = subprocess.Popen(
            [sys.executable, "-m", "proxy.cli.demo.origin", "v1", "--port", str(self.origin)], stdout=subprocess.DEVNULL
        )

    def environment(self) -> dict[str, str]:
        """Ours without settings of ours."""
        return {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}

    def _spawn(self, *args: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                [*HEADGATE, *args], cwd=self.directory, env=self.environment(), stdout=file, stderr=file, start_new_session=True
            )

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A verb, to its end."""
        return subprocess.run(
            [*HEADGATE, *args], cwd=self.directory, env=self.environment(), capture_output=True, text=True, timeout=30, check=False
        )

    def ready(self) -> None:
        """Wait until the proxy says so."""
        ends = CLOCK.now() + 20
        while self.call("healthcheck").returncode:
            assert self.process.poll() is None, self.log.read_text()
            assert CLOCK.now() < ends, self.log.read_text()

    def edit(self, old: str, new: str) -> None:
        """Change the file as an editor does."""
        text = self.config.read_text()
        assert old in text
        beside = self.config.with_suffix(".new")
        beside.write_text(text.replace(old, new))
        beside.rename(self.config)

    def end(self) -> None:
        """Everything that was started, workers included."""
        for process in (self.process, self.origin_process):
            with suppress(ProcessLookupError):
                process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.origin_process.wait(10)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    try:
        running.ready()
        yield running
    finally:
        running.end()


def test_a_request_is_answered_once_the_healthcheck_passes(proxy: Running) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_term_drains_and_ends_with_0(proxy: Running) -> None:
    proxy.process.terminate()

    assert 0 == proxy.process.wait(15)


def test_the_proxy_is_found_by_its_file(proxy: Running) -> None:
    found = proxy.call("status", "--output", "json")

    assert "shop" == json.loads(found.stdout)["services"][0]["service"]


def test_a_reload_without_a_change_says_so(proxy: Running) -> None:
    done = proxy.call("reload")

    assert (0, True) == (done.returncode, done.stdout.startswith("unchanged: digest "))


def test_a_reload_prints_the_old_and_the_new_digest(proxy: Running) -> None:
    valid = json.loads(proxy.call("validate", "--output", "json").stdout)["digest"][:12]
    proxy.edit("min_requests: 1000000", "min_requests: 1000001")

    done = proxy.call("reload")

    # The watch may have been faster; then the reload had nothing to do.
    new = json.loads(proxy.call("status", "--output", "json").stdout)["digest"][:12]
    assert done.stdout in (f"reloaded: digest {valid} -> {new}\n", f"unchanged: digest {new}\n")


def test_a_broken_file_is_refused_with_every_mistake_and_the_old_one_serves_on(proxy: Running) -> None:
    before = json.loads(proxy.call("status", "--output", "json").stdout)["digest"]
    proxy.edit("target: v1", "tarket: v1")

    done = proxy.call("reload")

    after = json.loads(proxy.call("status", "--output", "json").stdout)["digest"]
    place = re.search(r"^headgate\.yaml:\d+:\d+: services\.shop\.tarket: .*target", done.stdout, re.MULTILINE)
    assert (1, True, before) == (done.returncode, place is not None, after), done.stdout + done.stderr


def test_a_reload_names_the_files_of_tls_that_are_not_there_and_the_old_configuration_serves_on(proxy: Running) -> None:
    before = json.loads(proxy.call("status", "--output", "json").stdout)["digest"]
    proxy.edit("    target: v1", "    tls: {ca: gone.pem}\n    target: v1")
    proxy.edit('v2: {endpoints: ["http:', 'v2: {endpoints: ["https:')

    done = proxy.call("reload")

    after = json.loads(proxy.call("status", "--output", "json").stdout)["digest"]
    place = re.search(
        r"^headgate\.yaml:\d+:\d+: services\.shop\.tls\.ca: gone\.pem cannot be read: No such file", done.stdout, re.MULTILINE
    )
    assert (1, True, before) == (done.returncode, place is not None, after), done.stdout + done.stderr


def test_a_reload_and_validate_name_the_same_mistakes(proxy: Running) -> None:
    proxy.edit("target: v1", "tarket: v1")

    reloaded, validated = proxy.call("reload"), proxy.call("validate")

    assert validated.stdout.splitlines()[:-1] == reloaded.stdout.splitlines()[:-1]


def test_an_edited_target_starts_a_rollout_and_an_abort_ends_a_watch_with_1(proxy: Running) -> None:
    proxy.edit("target: v1", "target: v2")
    proxy.call("reload")
    watch = subprocess.Popen(
        [*HEADGATE, "rollout", "watch", "shop"], cwd=proxy.directory, env=proxy.environment(), stdout=subprocess.PIPE
    )
    assert watch.stdout is not None
    begun = watch.stdout.readline()

    aborted = proxy.call("rollout", "abort", "shop", "--reason", "enough")

    code = watch.wait(15)
    watch.stdout.close()
    assert (True, 0, 1) == (b"candidate v2 at 5 %" in begun, aborted.returncode, code)


def test_an_operator_s_reason_is_in_the_history(proxy: Running) -> None:
    proxy.call("rollout", "start", "shop", "--to", "v2")
    proxy.call("rollout", "abort", "shop", "--reason", "support is flooded")

    assert "support is flooded" in proxy.call("rollout", "history", "shop").stdout


def test_a_promotion_by_hand_ends_start_wait_with_0(proxy: Running) -> None:
    waiting = subprocess.Popen(
        [*HEADGATE, "rollout", "start", "shop", "--to", "v2", "--wait"],
        cwd=proxy.directory,
        env=proxy.environment(),
        stdout=subprocess.PIPE,
    )
    assert waiting.stdout is not None
    waiting.stdout.readline()

    promoted = proxy.call("rollout", "promote", "shop", "--full")

    code = waiting.wait(15)
    waiting.stdout.close()
    assert (0, 0) == (promoted.returncode, code), promoted.stderr


def test_a_verb_that_makes_no_sense_now_says_what_does(proxy: Running) -> None:
    done = proxy.call("rollout", "resume", "shop")

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr


def test_hup_reloads(proxy: Running) -> None:
    proxy.edit("min_requests: 1000000", "min_requests: 7")
    proxy.process.send_signal(signal.SIGHUP)

    wanted = json.loads(proxy.call("validate", "--output", "json").stdout)["digest"]
    ends = CLOCK.now() + 10
    while json.loads(proxy.call("status", "--output", "json").stdout)["digest"] != wanted:
        assert CLOCK.now() < ends


def test_a_unix_admin_with_a_token_is_found_by_the_file_alone(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    running = Running(tmp_path, admin=f"unix:{tmp_path}/admin.sock", token=", token_file: token")
    try:
        running.ready()
        by_file = running.call("status", "--output", "json")
        by_hand = running.call("status", "--admin", f"unix:{tmp_path}/admin.sock")
    finally:
        running.end()

    assert (0, 1, True) == (by_file.returncode, by_hand.returncode, "--token-file" in by_hand.stderr), by_file.stderr


def test_run_with_a_broken_file_starts_nothing_and_names_the_mistake(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text("listeners: 3\n")

    done = subprocess.run([*HEADGATE, "run"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)

    assert (1, True) == (done.returncode, "headgate.yaml:1:12: listeners: " in done.stderr)


def test_run_without_a_file_says_where_it_looked(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}

    done = subprocess.run([*HEADGATE, "run"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False)

    assert (1, True) == (done.returncode, "--config" in done.stderr)


@contextmanager
def watching(proxy: Running) -> Iterator[subprocess.Popen[bytes]]:
    """A watch that has begun to tell; ended whatever comes."""
    with subprocess.Popen(
        [*HEADGATE, "status", "--watch"],
        cwd=proxy.directory,
        env=proxy.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    ) as watch:
        try:
            select.select([watch.stdout], [], [], 15)
            yield watch
        finally:
            watch.kill()


def test_a_watch_whose_reader_goes_away_ends_quietly(proxy: Running) -> None:
    with watching(proxy) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        watch.stdout.close()

        watch.wait(15)
        said = watch.stderr.read()
    assert b"" == said


def test_an_interrupted_watch_is_silent(proxy: Running) -> None:
    with watching(proxy) as watch:
        watch.send_signal(signal.SIGINT)

        _, said = watch.communicate(timeout=15)

    assert (130, b"") == (watch.returncode, said.strip())
