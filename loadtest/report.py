"""What the turns say: medians, spreads, ratios of the same round. Figures in, text and JSON out; starts nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from loadtest.compare import NOISY, Result
from loadtest.figures import FIGURES, Figure, compared
from loadtest.turns import Turn

SUBJECT = "headgate"
TINY = 1e-9  # where a peer costs nothing, a ratio is out of all bounds


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
    """The compared figure of ``subject`` over that of ``peer``, round by round: what slows a round slows both."""
    figure = compared(result.scenario.kind)
    pairs = zip(result.turns[subject], result.turns[peer], strict=True)
    return Spread.of([figure.of(mine) / (figure.of(its) or TINY) for mine, its in pairs])


def table(result: Result) -> str:
    """The result as Markdown; the last column is headgate's first figure over the row's."""
    columns = FIGURES[result.scenario.kind]
    rows = [
        f"| {result.scenario.title} | {' | '.join(title(each) for each in columns)} | {SUBJECT} / it (min-max) |",
        f"| --- |{' ---: |' * (len(columns) + 1)}",
    ]
    for name, turns in result.turns.items():
        cells = [cell(each, turns) for each in columns]
        against = "-"
        if name != SUBJECT and SUBJECT in result.turns:
            share = ratio(result, SUBJECT, name)
            against = f"{share.middle:.2f} ({share.least:.2f}-{share.most:.2f})"
        rows.append(f"| {name} | {' | '.join(cells)} | {against} |")
    return "\n".join(rows)


def title(figure: Figure) -> str:
    """A column's head."""
    return f"{figure.title} (min-max)" if figure.spread else figure.title


def cell(figure: Figure, turns: list[Turn]) -> str:
    """The median, with the spread where it is shown."""
    found = Spread.of([figure.of(turn) for turn in turns])
    text = f"{found.middle:.{figure.decimals}f}"
    return f"{text} ({found.least:.{figure.decimals}f}-{found.most:.{figure.decimals}f})" if figure.spread else text


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
