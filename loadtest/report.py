"""What the turns say: medians, spreads, ratios of the same round. Figures in, text and JSON out; starts nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

from loadtest.compare import NOISY, Result
from loadtest.figures import FIGURES, Figure, compared
from loadtest.scenarios import Scenario
from loadtest.setting import Setting
from loadtest.turns import Turn

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


def ratio(result: Result, subject: str, peer: str, figure: Figure | None = None) -> Spread | None:
    """The cost of ``subject`` over that of ``peer``, round by round: what slows a round slows both.

    None where the peer cost nothing that could be measured, in any round: nothing is no measure.
    """
    figure = figure or compared(result.scenario.kind)
    pairs = [(figure.cost(mine), figure.cost(its)) for mine, its in zip(result.turns[subject], result.turns[peer], strict=True)]
    return Spread.of([mine / its for mine, its in pairs]) if all(its > 0 for _, its in pairs) else None


def subject_of(name: str) -> str:
    """What a row is held against: a variant against the plain one, everybody else against headgate."""
    return name.partition(",")[0] if "," in name else SUBJECT


def table(result: Result, short: bool = False) -> str:
    """The result as Markdown, without its title if ``short``; the last column is headgate's first cost over the row's.

    A variant is held against the plain one.
    """
    columns = FIGURES[result.scenario.kind]
    rows = [
        f"| {'' if short else result.scenario.title} | {' | '.join(title(each) for each in columns)} | {SUBJECT} / it (min-max) |",
        f"| --- |{' ---: |' * (len(columns) + 1)}",
    ]
    for name, turns in result.turns.items():
        cells = [cell(each, turns) for each in columns]
        against = "-"
        subject = subject_of(name)
        if name != subject and subject in result.turns and (share := ratio(result, subject, name)) is not None:
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
    pairs = [(subject_of(name), name) for name in result.turns]
    shares = {name: ratio(result, subject, name) for subject, name in pairs if subject != name and subject in result.turns}
    return {
        **about,
        "scenario": asdict(result.scenario),
        "turns": {name: [asdict(turn) for turn in turns] for name, turns in result.turns.items()},
        "medians": {
            name: {each.attribute: asdict(Spread.of([each.of(turn) for turn in turns])) for each in FIGURES[result.scenario.kind]}
            for name, turns in result.turns.items()
        },
        "ratios": {name: asdict(share) for name, share in shares.items() if share is not None},
    }


def read(document: dict[str, Any]) -> Result:
    """The result that such a file holds."""
    told = document["scenario"]
    known = {each.name for each in fields(Scenario)}
    headers = tuple((name, value) for name, value in told.get("headers", ()))
    plain = {name: value for name, value in told.items() if name in known - {"headers", "setting"}}
    scenario = Scenario(**plain, headers=headers, setting=Setting(**told.get("setting", {})))
    return Result(scenario, {name: [Turn(**turn) for turn in turns] for name, turns in document["turns"].items()})
