"""Real processes on loopback: programs found or the test skipped, children ended by their own number, and a proxy to operate.

Each child leads a process group of its own, so that what it leaves behind (workers outlive a killed supervisor) is ended with it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.kit.waiting import until

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0  # a loaded machine starts Python in seconds
END_S = 15.0
LOG_LINES = 30


def program(name: str) -> str:
    """The path of a program; where it is not installed the test is skipped, saying so."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports nobody listens on now; all held until each is known, so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) for _ in range(count)]
        for sock in sockets:
            sock.bind((host, 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def interruptible() -> None:
    """What a child does first that is to be interrupted as under a terminal: a shell's background job, as a pipeline may be, hands an
    ignored SIGINT on to all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Child:
    """One process; its output goes to ``log``. Ended by ``end``, with all that is left in its group."""

    def __init__(self, command: Sequence[str], directory: Path, name: str, *, piped: bool = False) -> None:
        """``piped``: standard input and output are pipes of ours, and only errors go to the log."""
        self.name = name
        self.log = directory / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADGATE_")}
        environment["PYTHONPATH"] = str(ROOT)
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else file,
                stderr=file,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        """The last lines of its log, for a failed assertion."""
        return f"{self.name}:\n" + "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])

    def end(self) -> None:
        """TERM, then whatever is left of its group."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(END_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


Settings = dict[str, Any]
Figures = dict[str, dict[tuple[tuple[str, str], ...], float]]


class Headgate:
    """A proxy started from the command line in a directory of its own. ``settings`` is its configuration as plain values."""

    def __init__(self, directory: Path, services: Settings, **settings: Any) -> None:
        """One listener on a free port unless ``listeners`` says otherwise; a route by path prefix ``/`` to a single service, else
        one route a service, by its name as host."""
        self.directory = directory
        self.config = directory / "headgate.yaml"
        self.port, self.admin_port = free_ports(2)
        names = list(services)
        matches = [{"path_prefix": "/"}] if len(names) == 1 else [{"host": name} for name in names]
        self.settings: Settings = {
            "listeners": [{"name": "web", "address": f"127.0.0.1:{self.port}"}],
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
            "state": {"path": str(directory / "state.db")},
            "services": services,
            "routes": [{"match": match, "service": name} for match, name in zip(matches, names, strict=True)],
        } | settings
        self.children: list[Child] = []
        self.write()

    def text(self) -> str:
        """The configuration as a file."""
        return yaml.safe_dump(self.settings, sort_keys=False, default_flow_style=False)

    def write(self, text: str | None = None) -> None:
        """Replace the file as an editor does: written beside it, then renamed."""
        beside = self.config.with_suffix(".new")
        beside.write_text(self.text() if text is None else text, encoding="utf-8")
        beside.rename(self.config)

    # ---- life -----------------------------------------------------------------------------------------------------------------

    @property
    def child(self) -> Child:
        """The latest process."""
        return self.children[-1]

    def start(self, *, tampering: str = "") -> None:
        """Start a process and wait until it is ready. ``tampering`` is one of ``tests.kit.tampered``."""
        module = ["tests.kit.tampered", tampering] if tampering else ["proxy"]
        command = [sys.executable, "-m", *module, "run", "--config", str(self.config)]
        self.children.append(Child(command, self.directory, f"headgate-{len(self.children)}"))
        self.until_ready()

    def until_ready(self, seconds: float = START_S) -> None:
        """Wait for 200 of /-/ready."""

        def ready() -> bool:
            assert self.child.running, self.child.tail()
            return self.ready()

        until(ready, seconds, lambda: f"ready; {self.child.tail()}")

    def ready(self) -> bool:
        """Whether it says so now."""
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/-/ready")[0] == 200
        return False

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.child.pid, number)

    def end(self) -> None:
        """End every process that was started here, workers without a supervisor included."""
        for child in reversed(self.children):
            child.end()

    # ---- asking ---------------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, str]:
        """Status and text of an answer of the admin API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=40)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of a good answer."""
        status, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)

    def post(self, path: str, **body: object) -> Any:
        """The JSON of a good answer to a write."""
        status, text = self.ask("POST", path, body)
        assert status == 200, text
        return json.loads(text)

    def service(self, name: str = "shop") -> Any:
        """One service as the API shows it."""
        return self.get(f"/api/v1/services/{name}")

    def say(self, verb: str, name: str = "shop", **body: object) -> Any:
        """A verb to a rollout."""
        return self.post(f"/api/v1/services/{name}/rollout/{verb}", **body)

    def history(self, name: str = "shop") -> list[dict[str, Any]]:
        """Decisions, newest first."""
        return list(self.get(f"/api/v1/services/{name}/history?limit=200")["revisions"])

    def until_phase(self, phase: str, seconds: float, name: str = "shop") -> Any:
        """The service's view once it is in that phase."""

        def there() -> Any:
            view = self.service(name)
            return view if view["phase"] == phase else None

        return until(there, seconds, lambda: f"{name} {phase}, but {self.service(name)}")

    def workers(self) -> list[int]:
        """The processes of all slots that serve."""
        return [worker["pid"] for worker in self.get("/api/v1/status")["workers"] if worker["serving"]]

    def metrics(self) -> Figures:
        """Sample name -> labels, sorted -> value."""
        status, text = self.ask("GET", "/metrics")
        assert status == 200, text
        return parsed(text)


def parsed(text: str) -> Figures:
    """A Prometheus exposition as plain values."""
    figures: Figures = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            figures.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return figures


def total(figures: Figures, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(value for key, value in figures.get(name, {}).items() if labels.items() <= dict(key).items())


def resident_kib(pid: int) -> int:
    """Resident memory of a process, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no memory")
