"""What the turns say: medians, spreads, ratios of the same round. Figures in, text and JSON out; starts nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from loadtest.compare import NOISY, Result, Turn

SUBJECT = "headgate"


@dataclass(frozen=True)
class Spread:
    """Median, and the least and greatest."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Of one value or more."""
        return cls(median(values), min(values), max(values))


def ratio(result: Result, subject: str, peer: str) -> Spread:
    """CPU a request of ``subject`` over that of ``peer``, round by round: what slows a round slows both."""
    pairs = zip(result.turns[subject], result.turns[peer], strict=True)
    return Spread.of([mine.cpu_us / its.cpu_us for mine, its in pairs])


def table(result: Result) -> str:
    """The result as Markdown; the last column is headgate's CPU a request over the row's."""
    rows = [
        f"| {result.scenario.title} | CPU us/request (min-max) | requests/s | p50 ms | p99 ms | MiB | headgate / it (min-max) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, turns in result.turns.items():
        cpu = Spread.of([turn.cpu_us for turn in turns])
        against = "-"
        if name != SUBJECT and SUBJECT in result.turns:
            share = ratio(result, SUBJECT, name)
            against = f"{share.middle:.2f} ({share.least:.2f}-{share.most:.2f})"
        rows.append(
            f"| {name} | {cpu.middle:.1f} ({cpu.least:.1f}-{cpu.most:.1f}) | {_mid(turns, 'per_second'):.0f} "
            f"| {_mid(turns, 'p50_ms'):.2f} | {_mid(turns, 'p99_ms'):.2f} | {_mid(turns, 'memory_mib'):.0f} | {against} |"
        )
    return "\n".join(rows)


def noise(result: Result) -> str:
    """A warning when the machine was not quiet; empty otherwise."""
    turns = [turn for each in result.turns.values() for turn in each]
    if median(turn.noise for turn in turns) <= NOISY:
        return ""
    foreign, stolen = median(t.foreign for t in turns), median(t.stolen for t in turns)
    return (
        f"noisy: others used {foreign:.0%} of the proxies' core and the hypervisor took {stolen:.0%}; "
        "ratios may still be read, absolute figures may not"
    )


def document(result: Result, about: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    ratios = {name: asdict(ratio(result, SUBJECT, name)) for name in result.turns if name != SUBJECT and SUBJECT in result.turns}
    return {
        **about,
        "scenario": asdict(result.scenario),
        "turns": {name: [asdict(turn) for turn in turns] for name, turns in result.turns.items()},
        "cpu_us": {name: asdict(Spread.of([t.cpu_us for t in turns])) for name, turns in result.turns.items()},
        "ratios": ratios,
    }


def _mid(turns: list[Turn], attribute: str) -> float:
    return float(median(getattr(turn, attribute) for turn in turns))
