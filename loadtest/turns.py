"""One turn: one contender under one kind of load, and what it cost. Knows no rounds and starts no contender."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest import client, cpu, driving
from loadtest.faults import RigError
from loadtest.processes import Child, Cores, Placement
from loadtest.scenarios import Kind, Scenario

WARM_S = 1  # wrk counts in whole seconds; caches, pools and branch predictors fill in far less
OPEN_RATE = 2000
MIB = 1024 * 1024


@dataclass(frozen=True)
class Turn:
    """One contender, one scenario, one round. What its kind of load does not measure is 0."""

    cpu_us: float  # of all its processes, a request, or a message there and back
    per_second: float
    p50_ms: float
    p99_ms: float
    memory_mib: float  # of all its processes after the turn
    foreign: float  # share of the proxy's core that others were busy on
    stolen: float  # share of it that the hypervisor took
    p999_ms: float = 0.0
    added_p50_ms: float = 0.0  # over the origin alone
    added_p99_ms: float = 0.0
    resting_mib: float = 0.0  # of all its processes before the first connection
    each_kib: float = 0.0  # an idle connection
    busiest_us: float = 0.0  # a request, of the busiest thread
    client_us: float = 0.0  # a request, of client and origin together

    @property
    def noise(self) -> float:
        """Share of the proxy's core that it did not have."""
        return self.foreign + self.stolen


@dataclass(frozen=True)
class Stage:
    """What turns share. ``origin_port`` is where the origin answers without a proxy, ``cookie`` what the proxy gave its user."""

    wrk: str
    place: Placement
    folder: Path
    origin_port: int
    origin_pid: int
    cookie: str = ""


@dataclass(frozen=True)
class Used:
    """What a stretch of time cost. ``noise`` is the pair of shares that ``Turn`` has."""

    cpu_ns: int
    foreign: float
    stolen: float


class Meter:
    """Runs from its making to ``stop``."""

    def __init__(self, child: Child, core: Cores) -> None:
        # Shared cores are not the proxy's, and what others did on them means nothing.
        self._pid = child.pid
        self._core = core if isinstance(core, int) else None
        self._before, self._used = cpu.CoreTime.read(self._core), cpu.cpu_ns(child.pid)
        self._began = time.perf_counter_ns()

    def stop(self) -> Used:
        """What was used since."""
        used = cpu.cpu_ns(self._pid) - self._used
        core = cpu.CoreTime.read(self._core)
        wall_ns = time.perf_counter_ns() - self._began
        if self._core is None:
            return Used(used, 0.0, 0.0)
        foreign = (core.busy_ns - self._before.busy_ns - used) / wall_ns
        return Used(used, max(0.0, foreign), (core.stolen_ns - self._before.stolen_ns) / wall_ns)


def take(stage: Stage, child: Child, port: int, scenario: Scenario, seconds: int) -> Turn:
    """One turn of a process that is ready."""
    return TAKES[scenario.kind](stage, child, port, scenario, seconds)


def load(stage: Stage, port: int, scenario: Scenario, seconds: int) -> client.Reading:
    """Keep it busy."""
    return client.run(stage.wrk, scenario, port, seconds, core=stage.place.client, folder=stage.folder, cookie=stage.cookie)


def turn_of(child: Child, seen: client.Reading, used: Used) -> Turn:
    """What every load tells that counts and times its requests."""
    return Turn(
        cpu_us=used.cpu_ns / 1000 / seen.requests,
        per_second=seen.per_second,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        p999_ms=seen.p999_ms,
        memory_mib=cpu.memory_bytes(child.pid) / MIB,
        foreign=used.foreign,
        stolen=used.stolen,
    )


def requests(stage: Stage, child: Child, port: int, scenario: Scenario, seconds: int) -> Turn:
    """wrk, always busy."""
    load(stage, port, scenario, WARM_S)
    threads, behind = cpu.thread_ns(child.pid), cpu.cpu_ns(stage.origin_pid)
    meter = Meter(child, stage.place.proxy)
    seen = load(stage, port, scenario, seconds)
    used = meter.stop()
    busiest = max(ns - threads.get(thread, 0) for thread, ns in cpu.thread_ns(child.pid).items())
    return replace(
        turn_of(child, seen, used),
        busiest_us=busiest / 1000 / seen.requests,
        client_us=seen.cpu_us + (cpu.cpu_ns(stage.origin_pid) - behind) / 1000 / seen.requests,
    )


def open_loop(stage: Stage, child: Child, port: int, scenario: Scenario, seconds: int) -> Turn:
    """The origin alone, then the proxy, then the origin again: what the proxy adds to the mean of both."""
    path, core = scenario.path, stage.place.client
    driving.open_loop(port, OPEN_RATE, WARM_S, path, core)
    before = driving.open_loop(stage.origin_port, OPEN_RATE, seconds, path, core)
    meter = Meter(child, stage.place.proxy)
    seen = driving.open_loop(port, OPEN_RATE, seconds, path, core)
    used = meter.stop()
    after = driving.open_loop(stage.origin_port, OPEN_RATE, seconds, path, core)
    return replace(
        turn_of(child, seen, used),
        added_p50_ms=seen.p50_ms - (before.p50_ms + after.p50_ms) / 2,
        added_p99_ms=seen.p99_ms - (before.p99_ms + after.p99_ms) / 2,
    )


def idle(stage: Stage, child: Child, port: int, scenario: Scenario, _: int) -> Turn:
    """Connections that had one request each and now have none."""
    resting = cpu.memory_bytes(child.pid)
    meter = Meter(child, stage.place.proxy)
    with driving.held(port, scenario.connections, stage.place.client):
        used = meter.stop()
        full = cpu.memory_bytes(child.pid)
        # A proxy that hangs up on idle clients needs no memory for them.
        if (there := cpu.descriptors(child.pid)) < scenario.connections:
            raise RigError(f"{child.name} holds {there} descriptors of {scenario.connections} clients")
    return Turn(
        cpu_us=used.cpu_ns / 1000 / scenario.connections,
        per_second=0.0,
        p50_ms=0.0,
        p99_ms=0.0,
        memory_mib=full / MIB,
        foreign=used.foreign,
        stolen=used.stolen,
        resting_mib=resting / MIB,
        each_kib=(full - resting) / 1024 / scenario.connections,
    )


def websocket(stage: Stage, child: Child, port: int, scenario: Scenario, seconds: int) -> Turn:
    """Messages there and back, one at a time on each connection."""
    driving.websocket(port, scenario.connections, WARM_S, stage.place.client)
    meter = Meter(child, stage.place.proxy)
    seen = driving.websocket(port, scenario.connections, seconds, stage.place.client)
    used = meter.stop()
    return turn_of(child, seen, used)


TAKES: dict[Kind, Callable[[Stage, Child, int, Scenario, int], Turn]] = {
    "requests": requests,
    "workers": requests,
    "open-loop": open_loop,
    "idle": idle,
    "websocket": websocket,
}
