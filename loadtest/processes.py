"""Child processes of a run: started on a core, waited for, ended by their own id. Knows nothing of proxies."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import TracebackType

from loadtest.faults import RigError

READY_S = 15.0  # Envoy and a cold Python start within two seconds on a busy machine
END_S = 5.0  # after TERM; then KILL
POLL_S = 0.02


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


Cores = int | frozenset[int] | None
"""A core, several, or any."""


@dataclass(frozen=True)
class Placement:
    """Which core each side runs on; None where there are not enough to pin."""

    proxy: Cores
    others: Cores
    client: Cores

    @classmethod
    def of_this_machine(cls, pin: bool = True) -> Placement:
        """The proxy alone on the first core; origin and client on the second, or one each where there are three."""
        cores = sorted(os.sched_getaffinity(0))
        if not pin or len(cores) < 2:
            return cls(None, None, None)
        return cls(cores[0], cores[1], cores[2] if len(cores) > 2 else cores[1])


@dataclass(frozen=True)
class Child:
    """A running process; ``log`` holds what it said."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process we started; it may have children of its own."""
        return self.process.pid

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        return self.log.read_text(errors="replace")[-2000:].strip()


def together(number: int) -> Placement:
    """All sides on the first ``number`` cores, sharing them."""
    cores = frozenset(sorted(os.sched_getaffinity(0))[:number])
    return Placement(cores, cores, cores)


def place(pid: int, core: Cores) -> None:
    """Move a running process; a no-op for any core."""
    if core is not None:
        os.sched_setaffinity(pid, {core} if isinstance(core, int) else core)


def pinned(core: Cores) -> Callable[[], None]:
    """What a child does before it becomes its program: to its core, and as many descriptors as it may have."""

    def prepare() -> None:
        place(0, core)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def connect(port: int, tls: bool, timeout_s: float) -> HTTPConnection:
    """A client that takes any certificate."""
    if not tls:
        return HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, timeout=timeout_s, context=context)


class Children:
    """All children of a run; leaving the ``with`` ends every one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in reversed(self._children):
            end(child.process)

    def start(
        self, name: str, argv: Sequence[str], *, core: Cores, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Child:
        """Start ``argv`` on ``core`` in a process group of its own."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd or self._folder,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                preexec_fn=pinned(core),
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child


def end(process: subprocess.Popen[bytes]) -> None:
    """TERM, wait, and KILL for the group we made if it will not go."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with contextlib.suppress(ProcessLookupError):  # the usual case: nobody of the group is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_S)


def await_ready(child: Child, port: int, path: str, status: int = 200, *, tls: bool = False) -> None:
    """Return once ``GET path`` answers ``status``; RigError when the child ends first or takes over READY_S."""
    deadline = time.monotonic() + READY_S
    seen = "nothing"
    while time.monotonic() < deadline:
        if child.process.poll() is not None:
            raise RigError(f"{child.name} ended with {child.process.returncode} while starting:\n{child.last_words()}")
        connection = connect(port, tls, 2)
        try:
            connection.request("GET", path, headers={"Host": "shop.example"})
            seen = f"status {connection.getresponse().status}"
            if seen == f"status {status}":
                return
        except (OSError, HTTPException) as error:
            seen = repr(error)
        finally:
            connection.close()
        time.sleep(POLL_S)
    raise RigError(f"{child.name} was not ready after {READY_S:.0f} s ({seen}):\n{child.last_words()}")
