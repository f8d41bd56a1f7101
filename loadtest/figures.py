"""Which figures come of each kind of load, and which of them is compared. Data, and how a turn is told in a line."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from loadtest.scenarios import Kind
from loadtest.turns import Turn


@dataclass(frozen=True)
class Figure:
    """A column: an attribute of ``Turn``, what it is called, how many decimals mean something; with ``spread`` the range too.

    ``more`` is better, so its cost is the inverse.
    """

    attribute: str
    title: str
    decimals: int
    spread: bool = False
    more: bool = False

    def of(self, turn: Turn) -> float:
        """Its value."""
        return float(getattr(turn, self.attribute))

    def cost(self, turn: Turn) -> float:
        """What ratios are of: the less the better. 0 for what came out below it, as a difference of two measurements may."""
        value = self.of(turn)
        if self.more:
            return 1 / value if value > 0 else inf
        return max(0.0, value)


CPU = Figure("cpu_us", "CPU us/request", 1, True)
PERCENTILES = (Figure("p50_ms", "p50 ms", 2), Figure("p99_ms", "p99 ms", 2), Figure("p999_ms", "p99.9 ms", 2))
RATE = Figure("per_second", "requests/s", 0)
MEMORY = Figure("memory_mib", "MiB", 0)

FIGURES: dict[Kind, tuple[Figure, ...]] = {
    "requests": (CPU, RATE, *PERCENTILES, MEMORY),
    "workers": (
        Figure("per_second", "requests/s", 0, True, more=True),
        CPU,
        Figure("busiest_us", "CPU us/request of the busiest worker", 1),
        Figure("client_us", "CPU us/request of client and origin", 1),
        MEMORY,
    ),
    "open-loop": (
        Figure("added_p99_ms", "added p99 ms", 3, True),
        Figure("added_p50_ms", "added p50 ms", 3, True),
        *(Figure(each.attribute, each.title, 3) for each in PERCENTILES),
        CPU,
    ),
    "idle": (
        Figure("each_kib", "KiB a connection", 2, True),
        Figure("resting_mib", "MiB before", 1),
        Figure("memory_mib", "MiB with them", 1),
    ),
    "websocket": (
        Figure("cpu_us", "CPU us/echo", 1, True),
        Figure("per_second", "echoes/s", 0),
        *PERCENTILES,
        MEMORY,
    ),
}
"""By kind of load; the first is the one that ratios are of."""


def compared(kind: Kind) -> Figure:
    """What ratios are of."""
    return FIGURES[kind][0]


def line(kind: Kind, turn: Turn) -> str:
    """One turn, while a run goes on."""
    told = "  ".join(f"{figure.of(turn):.{figure.decimals}f} {figure.title}" for figure in FIGURES[kind][:3])
    return f"{told}  core busy with others {turn.foreign:.0%}"
