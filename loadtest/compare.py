"""Run the contenders in turns and read what each turn cost. Knows nothing of tables, files or budgets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from loadtest import answers, client, cpu, origin
from loadtest.contenders.site import Contender, Site, program
from loadtest.faults import RigError
from loadtest.processes import Child, Children, Placement, await_ready, free_port
from loadtest.scenarios import Scenario

WARM_S = 1  # wrk counts in whole seconds; caches, pools and branch predictors fill in far less


@dataclass(frozen=True)
class Turn:
    """One contender, one scenario, one round."""

    cpu_us: float  # of all its processes, a request
    per_second: float
    p50_ms: float
    p99_ms: float
    memory_mib: float
    foreign: float  # share of the proxy's core that others were busy on
    stolen: float  # share of it that the hypervisor took


@dataclass(frozen=True)
class Options:
    """How long and how often. ``seconds`` are of one turn."""

    rounds: int = 5
    seconds: int = 4
    pin: bool = True


@dataclass
class Result:
    """Turns by contender, in order of rounds: entry N of each list belongs to the same round."""

    scenario: Scenario
    turns: dict[str, list[Turn]] = field(default_factory=dict)


def order(names: Sequence[str], number: int) -> list[str]:
    """Who goes when in round ``number``: each round begins with another, and every second one runs backwards."""
    shift = number % len(names)
    turned = [*names[shift:], *names[:shift]]
    return turned[::-1] if number % 2 else turned


class Rig:
    """The origin and the contenders, running until the ``with`` is left."""

    def __init__(self, contenders: Sequence[Contender], pin: bool, say: Callable[[str], None]) -> None:
        self._wanted = contenders
        self.placement = Placement.of_this_machine(pin)
        self._say = say
        self._stack = ExitStack()
        self.running: dict[str, tuple[Contender, Child, int]] = {}
        self.wrk = program("wrk")

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-loadtest-")))
            folder.chmod(0o755)  # nginx's worker, another user when started as the superuser, reads files here
            self.folder = folder
            children = stack.enter_context(Children(folder))
            self._start(children)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, children: Children) -> None:
        nginx = program("nginx")
        if not nginx or not self.wrk:
            raise RigError("the origin is nginx and the client is wrk: install both (Debian: apt-get install nginx-light wrk)")
        site = origin.start(children, nginx, self.folder, self.placement.others)
        for contender in self._wanted:
            own = self.folder / contender.name
            own.mkdir()
            port = free_port()
            launch = contender.launch(Site(own, port, free_port(), site.ports))
            child = children.start(contender.name, launch.argv, core=self.placement.proxy, cwd=own)
            await_ready(child, *launch.ready)
            self.running[contender.name] = (contender, child, port)

    def check(self, scenarios: list[Scenario]) -> None:
        """Every contender answers every scenario rightly, or RigError."""
        for contender, _, port in self.running.values():
            answers.check(contender, port, scenarios)
            self._say(f"  {contender.name}: answers are right")

    def measure(self, scenario: Scenario, options: Options) -> Result:
        """Rounds of turns; no contender is always first, or always after the same one."""
        result = Result(scenario, {name: [] for name in self.running})
        names = list(self.running)
        for number in range(options.rounds):
            for name in order(names, number):
                turn = self._turn(name, scenario, options.seconds)
                result.turns[name].append(turn)
                self._say(
                    f"  round {number + 1}/{options.rounds} {name:<13} {turn.cpu_us:7.1f} us/request "
                    f"{turn.per_second:8.0f}/s  core busy with others {turn.foreign:.0%}"
                )
        return result

    def _turn(self, name: str, scenario: Scenario, seconds: int) -> Turn:
        _, child, port = self.running[name]
        place = self.placement
        client.run(self.wrk, scenario, port, WARM_S, core=place.client, folder=self.folder)
        core_before, used_before = cpu.CoreTime.read(place.proxy), cpu.cpu_ns(child.pid)
        seen = client.run(self.wrk, scenario, port, seconds, core=place.client, folder=self.folder)
        used_ns = cpu.cpu_ns(child.pid) - used_before
        core = cpu.CoreTime.read(place.proxy)
        if child.process.poll() is not None:
            raise RigError(f"{name} ended while it was measured:\n{child.last_words()}")
        wall_ns = seen.duration_s * 1e9
        # Unpinned there is no core of its own, and what others did on it means nothing.
        foreign = 0.0 if place.proxy is None else (core.busy_ns - core_before.busy_ns - used_ns) / wall_ns
        return Turn(
            cpu_us=used_ns / 1000 / seen.requests,
            per_second=seen.per_second,
            p50_ms=seen.p50_ms,
            p99_ms=seen.p99_ms,
            memory_mib=cpu.memory_bytes(child.pid) / 1024 / 1024,
            foreign=max(0.0, foreign),
            stolen=(core.stolen_ns - core_before.stolen_ns) / wall_ns,
        )
