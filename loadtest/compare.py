"""Run the contenders in turns and read what each turn cost. Knows nothing of tables, files or budgets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtest import answers, client, cpu, origin
from loadtest.contenders.site import Contender, Site, program
from loadtest.faults import RigError
from loadtest.processes import Child, Children, Placement, await_ready, end, free_port
from loadtest.scenarios import Scenario

WARM_S = 1  # wrk counts in whole seconds; caches, pools and branch predictors fill in far less

NOISY = 0.05  # of the proxy's core: from here on an absolute figure is not to be quoted
ATTEMPTS = 3  # at one turn; neighbours come and go within seconds


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

    @property
    def noise(self) -> float:
        """Share of the proxy's core that it did not have."""
        return self.foreign + self.stolen


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


def quietest(take: Callable[[], Turn]) -> Turn:
    """The first turn that others hardly disturbed; if none was of ATTEMPTS, the one they disturbed least."""
    taken = [take()]
    while taken[-1].noise > NOISY and len(taken) < ATTEMPTS:
        taken.append(take())
    return min(taken, key=lambda turn: turn.noise)


class Rig:
    """The origin, running until the ``with`` is left, and the contenders, one at a time beside it."""

    def __init__(self, contenders: Sequence[Contender], pin: bool, say: Callable[[str], None]) -> None:
        self._contenders = {contender.name: contender for contender in contenders}
        self._place = Placement.of_this_machine(pin)
        self._say = say
        self._wrk = program("wrk")
        self._started = 0

    def __enter__(self) -> Rig:
        nginx = program("nginx")
        if not nginx or not self._wrk:
            raise RigError("the origin is nginx and the client is wrk: install both (Debian: apt-get install nginx-light wrk)")
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-loadtest-")))
            self._folder.chmod(0o755)  # nginx's worker, another user when started as the superuser, reads files here
            self._children = stack.enter_context(Children(self._folder))
            self._origin = origin.start(self._children, nginx, self._folder, self._place.others)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def _serving(self, contender: Contender) -> Iterator[tuple[Child, int]]:
        """A new process of the contender that is ready, and its port; ended afterwards."""
        self._started += 1
        name = f"{contender.name}-{self._started}"
        folder = self._folder / name
        folder.mkdir()
        port = free_port()
        launch = contender.launch(Site(folder, port, free_port(), self._origin.ports))
        child = self._children.start(name, launch.argv, core=self._place.proxy, cwd=folder)
        try:
            await_ready(child, *launch.ready)
            yield child, port
            if child.process.poll() is not None:
                raise RigError(f"{contender.name} ended while it was used:\n{child.last_words()}")
        finally:
            end(child.process)

    def check(self, scenarios: list[Scenario]) -> None:
        """Every contender answers every scenario rightly, or RigError."""
        for contender in self._contenders.values():
            with self._serving(contender) as (_, port):
                answers.check(contender, port, scenarios)
            self._say(f"  {contender.name}: answers are right")

    def load(self, contender: Contender, scenario: Scenario, seconds: int) -> client.Reading:
        """Keep one contender busy once, for whoever watches it from inside."""
        with self._serving(contender) as (_, port):
            return client.run(self._wrk, scenario, port, seconds, core=self._place.client, folder=self._folder)

    def measure(self, scenario: Scenario, options: Options) -> Result:
        """Rounds of turns; no contender is always first, or always after the same one.

        Each turn is of a new process: where a process's memory happens to lie, and how its hashes fall, moves a figure by several
        percent for as long as it lives, and belongs into the spread.
        """
        names = list(self._contenders)
        result = Result(scenario, {name: [] for name in names})
        for number in range(options.rounds):
            for name in order(names, number):
                with self._serving(self._contenders[name]) as (child, port):
                    turn = quietest(lambda: self._turn(child, port, scenario, options.seconds))
                result.turns[name].append(turn)
                self._say(
                    f"  round {number + 1}/{options.rounds} {name:<13} {turn.cpu_us:7.1f} us/request "
                    f"{turn.per_second:8.0f}/s  core busy with others {turn.foreign:.0%}"
                )
        return result

    def _turn(self, child: Child, port: int, scenario: Scenario, seconds: int) -> Turn:
        place = self._place
        client.run(self._wrk, scenario, port, WARM_S, core=place.client, folder=self._folder)
        core_before, used_before = cpu.CoreTime.read(place.proxy), cpu.cpu_ns(child.pid)
        seen = client.run(self._wrk, scenario, port, seconds, core=place.client, folder=self._folder)
        used_ns = cpu.cpu_ns(child.pid) - used_before
        core = cpu.CoreTime.read(place.proxy)
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
