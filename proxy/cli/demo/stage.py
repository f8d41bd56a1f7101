"""The processes and files of the demo: started here, watched here, and all gone when ``close`` returns.

Children are ended by pid, the proxy together with its process group, because workers outlive a killed supervisor by design. Nothing
here raises on a signal: the command turns signals into a cancelled task, so ``close`` is never interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proxy.clock import SystemClock
from proxy.errors import OperatorError

START_TIMEOUT_S = 15.0  # a loaded machine starts Python in seconds
END_TIMEOUT_S = 6.0  # above the demo's drain timeout
LOG_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1  # Linux prctl(2): the signal a child gets when its parent is gone

CLOCK = SystemClock()  # real processes run on real time; an event loop's clock is the same one

CONFIG = """\
listeners:
  - name: web
    address: 127.0.0.1:{port}
admin:
  address: 127.0.0.1:{admin}
state: {{path: {state}}}
drain_timeout: 2s

services:
  shop:
    versions:
      v1: {{endpoints: ["http://127.0.0.1:{v1}"]}}
      v2: {{endpoints: ["http://127.0.0.1:{v2}"]}}
      v3: {{endpoints: ["http://127.0.0.1:{v3}"]}}
    target: {target}
    sticky: {{by: cookie, name: session}}
    expose_version: true
    rollout:
      strategy: canary
      steps:
        - {{weight: 5, for: 3s, min_requests: 20}}
        - {{weight: 25, for: 3s, min_requests: 100}}
        - {{weight: 50, for: 3s, min_requests: 200}}

routes:
  - match: {{path_prefix: /}}
    service: shop
"""


class Child:
    """One process and the file its output goes to."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])


class Stage:
    """A temporary directory, three origins and a proxy. Use as a context manager."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="headgate-demo-"))
        self.config = self.directory / "headgate.yaml"
        self.children: list[Child] = []
        self.port, self.admin = _free_ports(2)
        self._origins: dict[str, int] = {}

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def start_origin(self, version: str, *, bad_after_s: float | None = None) -> int:
        """A running origin's port."""
        command = [sys.executable, "-m", "proxy.cli.demo.origin", version, "--leash"]
        if bad_after_s is not None:
            command += ["--bad-after", str(bad_after_s)]
        child = self._spawn(f"origin {version}", command)
        ends = CLOCK.now() + START_TIMEOUT_S
        while b"\n" not in (said := child.log.read_bytes()):
            self.check()
            if CLOCK.now() > ends:
                raise OperatorError(f"{child.name} did not start within {START_TIMEOUT_S:g} s\n{child.tail()}")
            await asyncio.sleep(0.02)
        port = int(json.loads(said.splitlines()[0])["port"])
        self._origins[version] = port
        return port

    def start_proxy(self, target: str) -> Child:
        """A real ``headgate run`` on a configuration file of its own; it is not ready yet."""
        self.write_target(target)
        return self._spawn("headgate run", [sys.executable, "-m", "proxy", "run", "--config", str(self.config)])

    def write_target(self, target: str) -> float:
        """Edit the file as an editor does, by writing beside it and renaming; returns when (monotonic seconds)."""
        beside = self.config.with_suffix(".new")
        state = self.directory / "state.db"
        text = CONFIG.format(port=self.port, admin=self.admin, state=state, target=target, **self._origins)
        beside.write_text(text, encoding="utf-8")
        moment = CLOCK.now()
        beside.rename(self.config)
        return moment

    def check(self) -> None:
        """OperatorError with the log's tail when a child has died."""
        for child in self.children:
            if (code := child.process.poll()) is not None:
                raise OperatorError(f"{child.name} ended unexpectedly ({_ending(code)}); its last words:\n{child.tail()}")

    def close(self) -> None:
        """End every child, the proxy first so that it can drain, and remove the directory. Safe to call twice."""
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        ends = CLOCK.now() + END_TIMEOUT_S
        for child in reversed(self.children):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, ends - CLOCK.now()))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)  # it leads its own group; nothing is left of it as a rule
            child.process.wait()
            if child.process.stdin is not None:
                child.process.stdin.close()
        self.children.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, name: str, command: Sequence[str]) -> Child:
        log = self.directory / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child


def _end_with_parent() -> None:
    """Between fork and exec of a child: even when the demo is killed outright, nothing it started lives on."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; all held until each is known, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
