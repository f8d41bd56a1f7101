"""``python -m loadtest compare``: run the contenders in turns, print a table, keep the figures, hold them against the budgets."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from loadtest import budgets, hotspots, machine, mirroring, publish, report, slow, soak
from loadtest.compare import ATTEMPTS, Options, Result, Rig
from loadtest.contenders import CONTENDERS
from loadtest.contenders.headgate import HEADGATE
from loadtest.contenders.site import Contender
from loadtest.faults import RigError
from loadtest.scenarios import SCENARIOS, Scenario

VERBS = {
    "compare": "measure, in turns",
    "check": "only see that every contender answers rightly",
    "profile": "where the data plane's time goes, by function",
}
ROUNDS_MAX, SECONDS_MAX = 50, 60
PROFILE_S = 3
SOAK_REQUESTS = (100_000, 1_000_000_000)  # at least and at most; fewer make no line
SOAK_MINUTES_MAX = 600


def main(argv: Sequence[str] | None = None) -> int:
    """0: done; 1: an answer was wrong, the rig broke, or a budget did not hold; 2: usage."""
    options = arguments().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return DOES[options.command](options)
    except RigError as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(143)  # leaves every `with`, so the children end too


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest", description="What a request costs, beside other proxies.")
    verbs = parser.add_subparsers(dest="command", required=True)
    for verb, does in VERBS.items():
        sub = verbs.add_parser(verb, help=does)
        sub.add_argument("--scenario", action="append", choices=[*SCENARIOS, "all"], help="repeat for several; default small-get")
        sub.add_argument("--only", default="", metavar="A,B", help=f"some of {','.join(CONTENDERS)}")
        sub.add_argument("--no-pin", action="store_true", help="leave processes on any core")
        if verb == "compare":
            sub.add_argument("--rounds", type=_between(1, ROUNDS_MAX), default=5)
            sub.add_argument("--seconds", type=_between(1, SECONDS_MAX), default=4, help="of one turn")
            sub.add_argument("--attempts", type=_between(1, 9), default=ATTEMPTS, help="at a turn that others disturb")
            sub.add_argument("--enforce", action="store_true", help="end with 1 when a budget does not hold")
    long = verbs.add_parser("soak", help="millions of requests with faults, while memory and descriptors are watched")
    long.add_argument("--requests", type=_between(*SOAK_REQUESTS), default=5_000_000)
    long.add_argument("--minutes", type=_between(1, SOAK_MINUTES_MAX), default=SOAK_MINUTES_MAX, help="at most")
    lame = verbs.add_parser("slow", help=f"what {slow.CLIENTS} slow clients cost the others, in turns with and without them")
    lame.add_argument("--rounds", type=_between(1, ROUNDS_MAX), default=5)
    lame.add_argument("--seconds", type=_between(1, SECONDS_MAX), default=8, help="of one round")
    copies = verbs.add_parser(
        "mirror", help="what mirroring every request costs, and what a hanging shadow does, beside nginx and Envoy"
    )
    copies.add_argument("--rounds", type=_between(1, ROUNDS_MAX), default=5)
    copies.add_argument("--seconds", type=_between(1, SECONDS_MAX), default=4, help="of one measurement")
    copies.add_argument("--only", choices=mirroring.PROXIES, help="no other proxies, for more rounds in the same time")
    written = verbs.add_parser("report", help="the tables and the picture of a run, from its result files")
    written.add_argument("files", nargs="*", type=Path, help="of `compare`; default: those of the latest run")
    written.add_argument("--readme", action="store_true", help="put them into loadtest/README.md too")
    return parser


def _between(least: int, most: int) -> type[int]:
    class Bounded(int):
        def __new__(cls, text: str) -> Bounded:
            value = super().__new__(cls, text)
            if not least <= value <= most:
                raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
            return value

    return Bounded


def chosen(only: str) -> list[Contender]:
    """The contenders asked for that can run here; says which cannot, and why."""
    names = only.split(",") if only else [each.name for each in CONTENDERS.values() if not each.aside]
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise RigError(f"no contender {unknown[0]!r}; there are {', '.join(CONTENDERS)}")
    there = []
    for name in names:
        if lack := CONTENDERS[name].missing():
            print(f"without {name}: {lack}")
        else:
            there.append(CONTENDERS[name])
    if not there:
        raise RigError("no contender is left")
    return there


def check(options: argparse.Namespace) -> int:
    """Start everything, ask each for every scenario, end."""
    with Rig(chosen(options.only), not options.no_pin, print) as rig:
        rig.check(list(SCENARIOS.values()))
    return 0


def profile(options: argparse.Namespace) -> int:
    """Profile the data plane under each scenario."""
    for scenario in asked(options):
        print(f"\n{scenario.name}\n{hotspots.table(scenario, PROFILE_S, not options.no_pin)}")
    return 0


def soaked(options: argparse.Namespace) -> int:
    """Soak; print, keep; 1 when something grew."""
    result = soak.soak(options.requests, options.minutes * 60)
    print(f"\n{soak.verdict(result)}")
    told([publish.keep({**machine.about([HEADGATE]), "scenario": {"name": "soak"}, **soak.document(result)})])
    return 0 if result.holds else 1


def slowed(options: argparse.Namespace) -> int:
    """Measure beside slow clients; 1 when a request of the good traffic failed."""
    pairs = slow.slow(options.rounds, options.seconds)
    print(slow.table(pairs))
    return 1 if any(each.failed for pair in pairs for each in pair) else 0


def mirrored(options: argparse.Namespace) -> int:
    """Measure mirroring; 1 when a request failed."""
    found = mirroring.mirror(options.rounds, options.seconds, print, only=options.only)
    print(f"\n{mirroring.table(found)}")
    return 1 if any(figures.failed for figures in found.values()) else 0


def asked(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios of the command line."""
    names = options.scenario or ["small-get"]
    return [each for each in SCENARIOS.values() if each.name in names or "all" in names]


def compare(options: argparse.Namespace) -> int:
    """Measure each scenario; print, keep, hold against the budgets."""
    contenders = chosen(options.only)
    scenarios = asked(options)
    how = Options(options.rounds, options.seconds, not options.no_pin, options.attempts)
    limits = budgets.parse(budgets.FILE.read_text())
    command = " ".join(["python -m loadtest", *sys.argv[1:]])
    about = {**machine.about(contenders), "command": command, "rounds": how.rounds, "seconds": how.seconds}
    peers = options.only.split(",") if options.only else ()
    documents, holds = [], True
    with Rig(contenders, how.pin, print) as rig:
        rig.check(scenarios)
        for scenario in scenarios:
            print(f"\n{scenario.name}: {scenario.connections} connections, {how.rounds} rounds of {how.seconds} s")
            result = rig.measure(scenario, how)
            outcomes = budgets.compare(result, limits, peers)
            present(result, outcomes, options.enforce)
            documents.append(report.document(result, about))
            told([publish.keep(documents[-1])])
            holds = holds and all(outcome.holds for outcome in outcomes)
    told(publish.publish(documents))
    return 0 if holds or not options.enforce else 1


def present(result: Result, outcomes: Sequence[budgets.Outcome], enforce: bool) -> None:
    """The table, a warning if it is due, and the budgets; those without figures only where they would fail the run."""
    print(f"\n{report.table(result)}\n")
    if warning := report.noise(result):
        print(warning)
    for outcome in outcomes:
        if outcome.measured is not None or enforce:
            print(outcome)


def reported(options: argparse.Namespace) -> int:
    """Tables and picture from result files."""
    documents = publish.load(options.files)
    print(publish.page(documents))
    told(publish.publish(documents))
    if options.readme:
        publish.into_readme(documents)
        told([publish.README])
    return 0


def told(paths: Sequence[Path]) -> None:
    """Say where something was written."""
    for path in paths:
        print(f"written: {path.relative_to(Path(__file__).parents[1])}")


DOES = {"compare": compare, "check": check, "profile": profile, "soak": soaked, "slow": slowed, "mirror": mirrored, "report": reported}
"""By verb."""


if __name__ == "__main__":
    sys.exit(main())
