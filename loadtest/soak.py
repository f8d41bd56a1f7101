"""``python -m loadtest soak``: millions of requests through a started headgate, with faults on both sides, while memory is watched.

wrk sends them in slices and the processes are looked at after each; between slices all its connections end and new ones begin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.client import SCRIPT
from loadtest.contenders.headgate import HEADGATE
from loadtest.contenders.site import Site
from loadtest.faults import RigError
from loadtest.growth import SLOPE_MAX, Growth, Sample, growth
from loadtest.processes import Children, await_ready, free_port

CONNECTIONS = 64
SLICES = 40  # samples in a run, about
SLICE_S_MIN, SLICE_S_MAX = 1, 30
FAILED_MAX = 0.05  # of all requests; the origin's faults are under one in a hundred
VARIANTS = """\
local requests, turn = {}, 0
init = function(args)
  for i = 1, 3000 do
    local headers = {["Cookie"] = "user=" .. i .. "; theme=dark", ["User-Agent"] = "soak/" .. (i % 40)}
    if i % 100 == 0 then headers["Connection"] = "close" end
    local body = nil
    local method = "GET"
    if i % 10 == 0 then method = "POST"; body = string.rep("y", i) end
    requests[i] = wrk.format(method, "/part/" .. (i % 170) .. "?page=" .. (i % 7), headers, body)
  end
end
request = function()
  turn = turn % 3000 + 1
  return requests[turn]
end"""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Slice:
    """What wrk saw in one slice."""

    requests: int
    broken: int
    statuses: int


@dataclass(frozen=True)
class Soaked:
    """A run's figures; ``samples`` and ``growths`` by process."""

    requests: int
    seconds: float
    failed: int
    samples: dict[str, list[Sample]]
    growths: dict[str, Growth]

    @property
    def holds(self) -> bool:
        """Nothing grew, and failures were those of the faults."""
        return all(each.holds for each in self.growths.values()) and self.failed <= FAILED_MAX * self.requests


def look(pid: int, requests: int, seconds: float) -> Sample:
    """Resident memory and descriptors of a process now."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = int(status.partition("VmRSS:")[2].split()[0])
    return Sample(requests, round(seconds, 1), round(kib / 1024, 2), len(os.listdir(f"/proc/{pid}/fd")))


def wrk(binary: str, lua: Path, port: int, seconds: int) -> Slice:
    """One slice of load; failures are counted, for they are wanted."""
    argv = [binary, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(lua), f"http://127.0.0.1:{port}/"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30, check=True)
    figures: dict[str, int] = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return Slice(figures["requests"], figures["broken"], figures["statuses"])


def pids(site: Site, supervisor: int) -> dict[str, int]:
    """The processes to watch, by what they are."""
    with urllib.request.urlopen(f"http://127.0.0.1:{site.admin_port}/api/v1/status", timeout=10) as answer:
        status: dict[str, Any] = json.load(answer)
    return {"supervisor": supervisor} | {f"worker-{at}": each["pid"] for at, each in enumerate(status["workers"]) if each["serving"]}


def soak(requests: int, seconds_max: float) -> Soaked:
    """Run until ``requests`` were answered or the time is over; RigError when a program is missing, a process ends, or nothing is
    answered."""
    binary = shutil.which("wrk")
    if binary is None:
        raise RigError("soak needs wrk, and it is not installed")
    with tempfile.TemporaryDirectory(prefix="headgate-soak-") as name, Children(Path(name)) as children:
        folder = Path(name)
        lua = folder / "soak.lua"
        lua.write_text(SCRIPT.format(method='"GET"', headers='wrk.headers["Host"] = "shop.example"', body="", users=VARIANTS))
        origins = (free_port(), free_port())
        for port in origins:
            child = children.start(f"origin-{port}", [sys.executable, str(HERE / "faulty_origin.py"), str(port)], core=None)
            await_ready(child, port, "/")
        site = Site(folder=folder, port=free_port(), admin_port=free_port(), origins=origins)
        launch = HEADGATE.launch(site)
        proxy = children.start("headgate", launch.argv, core=None)
        await_ready(proxy, *launch.ready)
        children.start("vanishing", [sys.executable, str(HERE / "vanishing.py"), str(site.port)], core=None)
        return slices(requests, seconds_max, pids(site, proxy.pid), lambda seconds: wrk(binary, lua, site.port, seconds))


def slices(requests: int, seconds_max: float, watched: dict[str, int], load: Callable[[int], Slice]) -> Soaked:
    """Slice after slice, a look at each process after each."""
    samples: dict[str, list[Sample]] = {name: [] for name in watched}
    began, now, done, failed, seconds = time.monotonic(), 0.0, 0, 0, SLICE_S_MIN
    print(f"{'requests':>12} {'s':>7} {'per s':>8} {'failed':>7}  " + "  ".join(f"{name:>18}" for name in watched), flush=True)
    while done < requests and now < seconds_max:
        part = load(seconds)
        if not part.requests:
            raise RigError("a slice of load got no answer")
        done, failed = done + part.requests, failed + part.broken + part.statuses
        now = time.monotonic() - began
        try:
            for name, pid in watched.items():
                samples[name].append(look(pid, done, now))
        except (OSError, IndexError) as error:
            raise RigError(f"a process of the proxy has ended: {error}") from error
        latest = "  ".join(f"{each[-1].resident_mib:8.2f} MiB {each[-1].fds:3} fd" for each in samples.values())
        print(f"{done:12} {now:7.0f} {part.requests / seconds:8.0f} {failed:7}  {latest}", flush=True)
        seconds = max(SLICE_S_MIN, min(SLICE_S_MAX, round(max(requests / SLICES * seconds / part.requests, 1))))
    return Soaked(done, round(now, 1), failed, samples, {name: growth(each) for name, each in samples.items()})


def verdict(result: Soaked) -> str:
    """A line a process, and what came of it all."""
    lines = [f"{result.requests} requests in {result.seconds:.0f} s, {result.failed} failed as the origin's faults made them"]
    for name, each in result.growths.items():
        lines.append(
            f"{name}: {each.first_mib:.2f} -> {each.last_mib:.2f} MiB after the warm-up, {each.slope:+.3f} MiB a million requests"
            f" (at most {SLOPE_MAX}), {each.fds:+} descriptors: {'flat' if each.holds else 'GROWS'}"
        )
    return "\n".join(lines)


def document(result: Soaked) -> dict[str, object]:
    """The result as plain values."""
    return {
        "requests": result.requests,
        "seconds": result.seconds,
        "failed": result.failed,
        "holds": result.holds,
        "growth": {name: asdict(each) for name, each in result.growths.items()},
        "samples": {name: [asdict(sample) for sample in each] for name, each in result.samples.items()},
    }
