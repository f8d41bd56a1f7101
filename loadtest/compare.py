"""Run the contenders in turns and read what each turn cost. Knows nothing of tables, files or budgets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loadtest import answers, casts, client, cpu, driving, figures, origin, turns
from loadtest.certificates import certificates
from loadtest.contenders.site import Contender, Site, program
from loadtest.faults import RigError
from loadtest.processes import Child, Children, Placement, await_ready, end, free_port, together
from loadtest.processes import place as move
from loadtest.scenarios import Scenario
from loadtest.turns import Turn

NOISY = 0.05  # of the proxy's core: from here on an absolute figure is not to be quoted
LOGGED_MIN = 0.9  # of the requests; the warm-up is logged too, and what is still in a buffer is not in the file
ATTEMPTS = 3  # at one turn; neighbours come and go within seconds


@dataclass(frozen=True)
class Options:
    """How long and how often. ``seconds`` are of one turn."""

    rounds: int = 5
    seconds: int = 4
    pin: bool = True
    attempts: int = ATTEMPTS


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


def quietest(take: Callable[[], Turn], attempts: int = ATTEMPTS) -> Turn:
    """The first turn that others hardly disturbed; if none was of ``attempts``, the one they disturbed least."""
    taken = [take()]
    while taken[-1].noise > NOISY and len(taken) < attempts:
        taken.append(take())
    return min(taken, key=lambda turn: turn.noise)


class Rig:
    """The origins, running until the ``with`` is left, and the contenders, one at a time beside them."""

    def __init__(self, contenders: Sequence[Contender], pin: bool, say: Callable[[str], None]) -> None:
        self._contenders = list(contenders)
        self._pin = pin
        self._place = Placement.of_this_machine(pin)
        self._say = say
        self._wrk = program("wrk")
        self._started = 0
        self._messages: int | None = None

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

    def _ports(self, scenario: Scenario) -> tuple[int, int]:
        """The origins of a scenario; that of messages is started when it is first wanted."""
        if scenario.kind != "websocket":
            return self._origin.ports
        if self._messages is None:
            self._messages = free_port()
            child = self._children.start("websocket-origin", driving.argv("websocket_origin", self._messages), core=self._place.others)
            await_ready(child, self._messages, "/")
        return self._messages, self._messages

    @contextmanager
    def _serving(self, contender: Contender, scenario: Scenario, place: Placement) -> Iterator[tuple[Child, int]]:
        """A new process of the contender that is ready, and its port; ended afterwards, and its logs removed."""
        self._started += 1
        folder = self._folder / f"proxy-{self._started}"
        folder.mkdir()
        site = Site(folder, free_port(), free_port(), self._ports(scenario), scenario.setting, *certificates(self._folder, scenario))
        launch = contender.launch(site)
        child = self._children.start(folder.name, launch.argv, core=place.proxy, cwd=folder, env=launch.env)
        try:
            await_ready(child, *launch.ready, tls=scenario.setting.tls and launch.ready[0] == site.port)
            yield child, site.port
            if child.process.poll() is not None:
                raise RigError(f"{contender.name} ended while it was used:\n{child.last_words()}")
        except RigError as error:
            raise RigError(f"{contender.name}, {scenario.name}: {error}\n{child.last_words()}") from error
        finally:
            end(child.process)
            child.log.unlink()
            shutil.rmtree(folder, ignore_errors=True)

    def cast(self, scenario: Scenario) -> list[Contender]:
        """Who plays in a scenario."""
        return casts.cast(scenario, self._contenders)

    def check(self, scenarios: Sequence[Scenario]) -> None:
        """Every contender answers every scenario that it plays in rightly, or RigError. One process for all of the same setting."""
        alike: dict[tuple[object, ...], list[Scenario]] = {}
        for scenario in scenarios:
            if scenario.kind == "idle":  # its clients look at every answer they get
                continue
            alike.setdefault((scenario.setting, scenario.cast, scenario.kind == "websocket"), []).append(scenario)
        for group in alike.values():
            for contender in self.cast(group[0]):
                with self._serving(contender, group[0], self._place) as (_, port):
                    answers.check(contender, port, group)
            names = ", ".join(each.name for each in group)
            self._say(f"answered rightly by all: {names}")

    def load(self, contender: Contender, scenario: Scenario, seconds: int) -> client.Reading:
        """Keep one contender busy once, for whoever watches it from inside."""
        with self._serving(contender, scenario, self._place) as (_, port):
            return turns.load(self._stage(self._place), port, scenario, seconds)

    def _stage(self, place: Placement, cookie: str = "") -> turns.Stage:
        return turns.Stage(self._wrk, place, self._folder, self._origin.ports[0], self._origin.child.pid, cookie)

    def measure(self, scenario: Scenario, options: Options) -> Result:
        """Rounds of turns; no contender is always first, or always after the same one.

        Each turn is of a new process: where a process's memory happens to lie, and how its hashes fall, moves a figure by several
        percent for as long as it lives, and belongs into the spread.
        """
        players = {contender.name: contender for contender in self.cast(scenario)}
        result = Result(scenario, {name: [] for name in players})
        for number in range(options.rounds):
            for name in order(list(players), number):
                turn = quietest(partial(self._turn, players[name], scenario, options.seconds), options.attempts)
                result.turns[name].append(turn)
                self._say(f"  round {number + 1}/{options.rounds} {name:<22} {figures.line(scenario.kind, turn)}")
        return result

    def _turn(self, contender: Contender, scenario: Scenario, seconds: int) -> Turn:
        place = together(casts.workers(contender)) if scenario.kind == "workers" else self._place
        for pid in cpu.family(self._origin.child.pid):
            move(pid, place.others)
        with self._serving(contender, scenario, place) as (child, port):
            cookie = answers.cookie(port, scenario) if scenario.setting.sticky else ""
            turn = turns.take(self._stage(place, cookie), child, port, scenario, seconds)
            if scenario.setting.log:
                logged(child, self._folder / child.name, turn.per_second * seconds)
            return turn


def logged(child: Child, folder: Path, requests: float) -> None:
    """RigError unless about every request has its line: in the access log, or on standard output."""
    files = [path for path in (folder / "access.log", child.log) if path.exists()]
    lines = max(path.read_bytes().count(b"\n") for path in files)
    if lines < requests * LOGGED_MIN:
        raise RigError(f"{child.name} logged {lines} of {requests:.0f} requests")
