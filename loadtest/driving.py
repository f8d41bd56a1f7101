"""Clients of our own that wrk has none of, each a process on the client's core, its figures read back as JSON."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.client import Reading
from loadtest.faults import RigError
from loadtest.processes import Cores, pinned

DRIVERS = Path(__file__).with_name("drivers")
HELD_S = 60.0  # for all idle clients to connect and be answered


def argv(name: str, *arguments: object) -> list[str]:
    """A driver's command."""
    return [sys.executable, str(DRIVERS / f"{name}.py"), *map(str, arguments)]


def open_loop(port: int, rate: int, seconds: int, path: str, core: Cores) -> Reading:
    """So many requests a second; latencies count from when a request was due."""
    return run(argv("open_loop", port, rate, seconds, path), seconds, core)


def websocket(port: int, connections: int, seconds: int, core: Cores) -> Reading:
    """Echoes, one at a time on each connection; every one compared with what was sent."""
    return run(argv("websocket_client", port, connections, seconds), seconds, core)


def run(command: list[str], seconds: int, core: Cores) -> Reading:
    """RigError if the driver fails, or says that a request did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True, preexec_fn=pinned(core))
    except subprocess.SubprocessError as error:
        raise RigError(f"{Path(command[1]).stem} did not finish: {error}\n{getattr(error, 'stderr', '') or ''}") from error
    return Reading(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def held(port: int, number: int, core: Cores) -> Iterator[None]:
    """While it lasts, so many clients are connected, have been answered once, and say nothing."""
    with subprocess.Popen(
        argv("idle_clients", port, number),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=pinned(core),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            select.select([process.stdout], [], [], HELD_S)
            line = process.stdout.readline() if select.select([process.stdout], [], [], 0)[0] else b""
            if line.strip() != b"held":
                process.kill()
                raise RigError(f"{number} idle clients did not connect: {process.stderr.read().decode()[-500:]}")
            yield
        finally:
            process.kill()
