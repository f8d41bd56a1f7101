"""Who plays in a scenario: everybody who has what it wants, or variants of a few. Starts nothing."""

from __future__ import annotations

from dataclasses import replace

from loadtest import mirroring
from loadtest.contenders import CONTENDERS
from loadtest.contenders.site import Contender, varied
from loadtest.scenarios import Scenario

ROUTES = (100, 10_000)
VERSIONS = (100,)
TWO = ", 2 workers"


def cast(scenario: Scenario, among: list[Contender]) -> list[Contender]:
    """Of ``among``, those who can play, in the variants that the scenario compares."""
    able = [each for each in among if not each.without & scenario.setting.features]
    if scenario.cast == "growth":
        return [variant for each in able if each.name == "headgate" for variant in grown(each)]
    if scenario.cast == "workers":
        return [variant for each in able if "workers" not in each.without for variant in (each, doubled(each))]
    if scenario.cast == "mirror":
        copying = {mode.name.split(",")[0]: mode for mode in mirroring.MODES if mode.copies and "compare" not in mode.name}
        return [replace(each, launch=copying[each.name].launch) for each in able if each.name in copying]
    return able


def doubled(base: Contender) -> Contender:
    """With two workers, or threads."""
    return varied(base, f"{base.name}{TWO}", workers=2)


def workers(contender: Contender) -> int:
    """How many workers a variant has, and so how many cores it is given."""
    return 2 if contender.name.endswith(TWO) else 1


def grown(base: Contender) -> list[Contender]:
    """With one route and two versions, and with more."""
    return [
        base,
        *(varied(base, f"{base.name}, {number:,} routes", routes=number) for number in ROUTES),
        *(varied(base, f"{base.name}, {number:,} versions", versions=number) for number in VERSIONS),
    ]


def single(name: str) -> str:
    """Whose variant it is."""
    return name.split(",")[0]


def default() -> list[Contender]:
    """All but those that stand aside."""
    return [each for each in CONTENDERS.values() if not each.aside]
