"""``python -m loadtest mirror``: what mirroring costs, and what a shadow does to the requests it copies, beside nginx and Envoy.

Two measurements in turns. *Cost*: CPU a request of a busy proxy, with copies of every request and without. *Effect*: the p99 of an open
loop of 1,000 requests a second without a mirror, with a healthy shadow, and with one that takes connections and never answers.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtest import client, cpu, origin, slow
from loadtest.contenders import envoy, headgate, nginx
from loadtest.contenders.site import Launch, Site, needs, program
from loadtest.faults import RigError
from loadtest.processes import Child, Children, Placement, await_ready, end, free_port
from loadtest.scenarios import SCENARIOS

WARM_S = 1
COMPARER = "proxy.supervisor.comparer"

SHADOW = "    shadow: {{version: b, percent: 100, max_in_flight: 1000, compare: {compare}}}"


@dataclass(frozen=True)
class Mode:
    """One way to run one proxy. ``launch`` writes its configuration; ``copies`` says whether the second origin gets copies."""

    name: str
    missing: Callable[[], str]
    launch: Callable[[Site], Launch]
    copies: bool


def proxy_of(name: str) -> str:
    """Whose mode it is."""
    return name.partition(",")[0]


def headgate_with(shadow: str) -> Callable[[Site], Launch]:
    """headgate, everything to the first origin."""

    def launch(site: Site) -> Launch:
        return headgate.launch_file(site, headgate.configuration(site, shadow).replace("{a: 95, b: 5}", "{a: 1, b: 0}"))

    return launch


def nginx_with(mirror: bool) -> Callable[[Site], Launch]:
    """nginx, everything to the first origin."""

    def launch(site: Site) -> Launch:
        return nginx.launch_file(site, nginx.configuration(site, mirror=mirror, share="100%"))

    return launch


def envoy_with(mirror: bool) -> Callable[[Site], Launch]:
    """Envoy, everything to the first origin."""

    def launch(site: Site) -> Launch:
        made = envoy.bootstrap(site)
        manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
        route["weighted_clusters"] = {"clusters": [{"name": "a", "weight": 100}]}
        if mirror:
            route["request_mirror_policies"] = [{"cluster": "b"}]
        return envoy.launch_file(site, made)

    return launch


MODES = (
    Mode("headgate", headgate.missing, headgate_with(""), False),
    Mode("headgate, mirror", headgate.missing, headgate_with(SHADOW.format(compare="false")), True),
    Mode("headgate, mirror and compare", headgate.missing, headgate_with(SHADOW.format(compare="true")), True),
    Mode("nginx", needs("nginx"), nginx_with(False), False),
    Mode("nginx, mirror", needs("nginx"), nginx_with(True), True),
    Mode("envoy", envoy.missing, envoy_with(False), False),
    Mode("envoy, mirror", envoy.missing, envoy_with(True), True),
)
PROXIES = tuple(dict.fromkeys(proxy_of(mode.name) for mode in MODES))


@dataclass
class Figures:
    """Of one mode, an entry a round. CPU is microseconds a request, latencies are p99 in ms; ``comparer_us`` is part of CPU."""

    cpu_us: list[float]
    comparer_us: list[float]
    healthy_ms: list[float]
    hanging_ms: list[float]
    failed: int = 0


class Hole:
    """A shadow that takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = self._socket.getsockname()[1]
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._taken.append(taken)

    def close(self) -> None:
        """Let everybody go."""
        self._socket.close()
        for taken in self._taken:
            taken.close()


class Bench:
    """The origin, and one proxy at a time beside it."""

    def __init__(self, children: Children, folder: Path, place: Placement) -> None:
        self._children = children
        self._folder = folder
        self._place = place
        self._started = 0
        self._ports = origin.start(children, program("nginx"), folder, place.others).ports

    @contextmanager
    def serving(self, mode: Mode, shadow_port: int | None = None) -> Iterator[tuple[Child, int]]:
        """A new process in that mode, and its port; its second origin may be another."""
        self._started += 1
        folder = self._folder / f"proxy-{self._started}"
        folder.mkdir()
        site = Site(folder, free_port(), free_port(), (self._ports[0], shadow_port or self._ports[1]))
        launch = mode.launch(site)
        child = self._children.start(folder.name, launch.argv, core=self._place.proxy, cwd=folder)
        try:
            await_ready(child, *launch.ready)
            yield child, site.port
        finally:
            end(child.process)

    def cost(self, mode: Mode, seconds: int) -> tuple[float, float]:
        """CPU microseconds a request of a busy proxy, and those of the comparer in it."""
        scenario, core, wrk = SCENARIOS["small-get"], self._place.client, program("wrk")
        with self.serving(mode) as (child, port):
            client.run(wrk, scenario, port, WARM_S, core=core, folder=self._folder)
            before, compared = cpu.cpu_ns(child.pid), _comparer_ns(child.pid)
            seen = client.run(wrk, scenario, port, seconds, core=core, folder=self._folder)
            used, compared = cpu.cpu_ns(child.pid) - before, _comparer_ns(child.pid) - compared
        return used / 1000 / seen.requests, compared / 1000 / seen.requests

    def effect(self, mode: Mode, seconds: float, shadow_port: int | None = None) -> slow.Round:
        """An open loop through the proxy."""
        with self.serving(mode, shadow_port) as (_, port):
            return slow.measure(port, seconds)


def _comparer_ns(pid: int) -> int:
    """CPU time of the comparer among the proxy's processes, if there is one."""
    for member in cpu.family(pid)[1:]:
        try:
            if COMPARER.encode() in Path(f"/proc/{member}/cmdline").read_bytes():
                return cpu.cpu_ns(member)
        except OSError:
            continue
    return 0


def mirror(rounds: int, seconds: int, say: Callable[[str], None], *, only: str | None = None) -> dict[str, Figures]:
    """Rounds of every mode that can run here, or of one proxy's."""
    if not program("nginx") or not program("wrk"):
        raise RigError("mirror needs nginx as its origin and wrk as its client; one of them is not installed")
    modes = [mode for mode in MODES if only in (None, proxy_of(mode.name)) and not mode.missing()]
    found = {mode.name: Figures([], [], [], []) for mode in modes}
    with tempfile.TemporaryDirectory(prefix="headgate-mirror-") as name, Children(Path(name)) as children:
        folder = Path(name)
        folder.chmod(0o755)
        bench = Bench(children, folder, Placement.of_this_machine())
        for number in range(rounds):
            for mode in modes if number % 2 == 0 else modes[::-1]:
                figures = found[mode.name]
                used, compared = bench.cost(mode, seconds)
                figures.cpu_us.append(used)
                figures.comparer_us.append(compared)
                healthy = bench.effect(mode, seconds)
                figures.healthy_ms.append(healthy.p99_ms)
                figures.failed += healthy.failed
                if mode.copies:
                    hole = Hole()
                    try:
                        hanging = bench.effect(mode, seconds, hole.port)
                    finally:
                        hole.close()
                    figures.hanging_ms.append(hanging.p99_ms)
                    figures.failed += hanging.failed
                say(f"  round {number + 1}/{rounds} {mode.name:<30} {used:7.1f} us/request  p99 {healthy.p99_ms:.2f} ms")
    return found


def table(found: dict[str, Figures]) -> str:
    """Markdown, medians over the rounds; the p99 of mirroring modes also as a ratio to the same proxy's without in the same round, with
    the least and the greatest."""
    rows = [
        "| | CPU us/request | of it comparing | p99 ms | p99 ms, shadow hangs | failed |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, figures in found.items():
        alone = found.get(proxy_of(name))
        healthy, hanging = (_against(values, alone, figures) for values in (figures.healthy_ms, figures.hanging_ms))
        rows.append(
            f"| {name} | {median(figures.cpu_us):.1f} | {median(figures.comparer_us):.1f} | {healthy} | {hanging} | {figures.failed} |"
        )
    return "\n".join(rows)


def _against(values: list[float], alone: Figures | None, own: Figures) -> str:
    if not values:
        return "-"
    middle = median(values)
    if alone is None or alone is own:
        return f"{middle:.2f}"
    ratios = [one / other for one, other in zip(values, alone.healthy_ms, strict=True)]
    return f"{middle:.2f} ({median(ratios):.2f}x, {min(ratios):.2f}-{max(ratios):.2f})"
