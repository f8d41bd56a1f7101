"""headgate as a process of its own, with real workers, on free ports; and origins to stand behind it. Loopback only.

What it says is awaited, never slept for: ``until`` looks again and again and gives up in bounded time.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
"""Starting two Python processes takes half a second, and ten times that when every core is busy."""


def until(what: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of ``what``."""
    ends = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < ends, f"not in {patience_s:g} s"
        time.sleep(0.01)
    return found


class Origin:
    """Answers every request with its name; with 500 while ``bad``, and not before ``open`` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bad = False
        self.open = threading.Event()
        self.open.set()
        self.seen: list[float] = []
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.seen.append(time.monotonic())
                origin.open.wait()
                status = "500 Internal Server Error" if origin.bad else "200 OK"
                self.wfile.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(origin.name)}\r\n\r\n{origin.name}".encode())

            def log_message(self, *_: Any) -> None:
                """Nothing: a test's output is its own."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Clients:
    """``threads`` keep-alive clients that ask as fast as ``pause_s`` lets them. ``answers`` counts (body, status) and errors."""

    def __init__(self, port: int, *, threads: int = 4, pause_s: float = 0.01) -> None:
        self.answers: Counter[Any] = Counter()
        self._port = port
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def errors(self) -> list[str]:
        """Requests that got no answer."""
        return [key for key in self.answers if isinstance(key, str)]

    def stop(self) -> Counter[Any]:
        """End and return what was answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.answers

    def _ask(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(self._pause_s):
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
                connection.request("GET", "/")
                response = connection.getresponse()
                self.answers[response.read().decode(), response.status] += 1
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"{type(error).__name__}: {error}"] += 1
                connection = None
        if connection is not None:
            connection.close()


class Headgate:
    """One start of headgate on ``folder/headgate.yaml``. ``listener`` and ``admin`` are the ports it said it has."""

    def __init__(self, folder: Path, program: str = "") -> None:
        """``program`` is Python source to run instead of the command, with the configuration's path as its argument."""
        self.folder = folder
        self.log_path = folder / f"log-{time.monotonic_ns()}.jsonl"
        with self.log_path.open("wb") as log:
            config = str(folder / "headgate.yaml")
            command = ["-c", program, config] if program else ["-m", "proxy", "run", "--config", config]
            self.process = subprocess.Popen([sys.executable, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        self.listener = self.admin = 0

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; what is not JSON is under ``text``."""
        found = []
        for line in self.log_path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"text": line})
        return found

    def said(self, event: str) -> dict[str, Any] | None:
        """The last log line of that event."""
        return next((line for line in reversed(self.lines()) if line.get("event") == event), None)

    def accepting(self) -> Headgate:
        """Wait until every worker accepts."""

        def accepts() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log_path.read_text()
            return self.said("accepting")

        line = until(accepts)
        self.listener = int(line["listeners"]["web"].rpartition(":")[2])
        self.admin = int(line["admin"].rpartition(":")[2])
        return self

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Ask the admin API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        try:
            connection.request(method, path, body=json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if "json" in response.headers["content-type"] else text
        finally:
            connection.close()

    def service(self, name: str = "shop") -> dict[str, Any]:
        """How a service stands."""
        status, view = self.call("GET", f"/api/v1/services/{name}")
        assert status == 200, view
        assert isinstance(view, dict)
        return view

    def workers(self) -> list[int]:
        """The workers' processes."""
        return [worker["pid"] for worker in self.call("GET", "/api/v1/status")[1]["workers"]]

    def ready(self) -> bool:
        """Whether every worker serves."""
        return self.call("GET", "/-/ready")[0] == 200

    def send(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.send(number)
        return self.process.wait(PATIENCE_S)


def alive(pid: int) -> bool:
    """Whether that process is there and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Place:
    """A folder with a configuration, and every headgate that was started in it."""

    def __init__(self, folder: Path, origins: dict[str, Origin]) -> None:
        self.folder = folder
        self.origins = origins
        self.started: list[Headgate] = []
        self.port, self.admin_port, self.unix = 0, 0, ""

    def write(
        self,
        *,
        target: str = "v1",
        workers: int = 2,
        steps: str = "[{weight: 20, for: 60s}]",
        drain_timeout: str = "5s",
        more: str = "",
    ) -> None:
        """The configuration; ports are those of the first start from then on."""
        versions = "\n".join(f'      {n}: {{endpoints: ["http://127.0.0.1:{o.port}"]}}' for n, o in self.origins.items())
        local = f', {{name: local, address: "unix:{self.unix}"}}' if self.unix else ""
        text = f"""\
listeners: [{{name: web, address: "127.0.0.1:{self.port}"}}{local}]
admin: {{address: "127.0.0.1:{self.admin_port}"}}
workers: {workers}
drain_timeout: {drain_timeout}
state: {{path: {self.folder / "headgate.db"}}}
services:
  shop:
    versions:
{versions}
    target: {target}
    rollout: {{steps: {steps}}}
routes:
  - {{match: {{path_prefix: /}}, service: shop}}
{more}"""
        fresh = self.folder / "fresh"
        fresh.write_text(text)
        os.replace(fresh, self.folder / "headgate.yaml")

    def start(self, program: str = "") -> Headgate:
        """Start headgate, without waiting."""
        self.started.append(Headgate(self.folder, program))
        return self.started[-1]

    def running(self) -> Headgate:
        """Start headgate and wait until it accepts."""
        return self.start().accepting()

    def leave(self) -> None:
        """Kill what is left of it: supervisors, and workers that their logs name."""
        for headgate in self.started:
            if headgate.process.poll() is None:
                headgate.process.kill()
            headgate.process.wait()
        for pid in {line["worker_pid"] for headgate in self.started for line in headgate.lines() if "worker_pid" in line}:
            command = Path(f"/proc/{pid}/cmdline")
            try:
                ours = b"proxy.supervisor.worker" in command.read_bytes() and str(self.folder).encode() in command.read_bytes()
                if ours:
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue


@contextmanager
def place(folder: Path, *versions: str) -> Iterator[Place]:
    """A place with an origin a version (v1 and v2 unless said) on free ports, and nothing left of it afterwards."""
    origins = {name: Origin(name) for name in versions or ("v1", "v2")}
    made = Place(folder, origins)
    try:
        made.write()
        yield made
    finally:
        made.leave()
        for origin in origins.values():
            origin.close()
