"""The incidents that rules are compared on: synthetic traffic with something wrong in it, as data. Knows no rule and no plan.

The candidate is as described from the rollout's beginning on, unless said; in the last four it is as good as stable, and whoever rolls
it back is wrong. Times at which something happens to both versions, or to the metrics, are moved by up to five minutes from rollout to
rollout, as no controller's clock is set by them.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.simulation.traffic import Spell, Traffic

MOVED_S: Final = 300.0
"""By how much an outage is moved at most."""


class Incident(msgspec.Struct, frozen=True):
    """What happens (``words``), and the traffic of it. ``innocent``: the candidate has no part in it."""

    name: str
    words: str
    traffic: Traffic
    innocent: bool = False

    def drawn(self, chance: Random) -> Traffic:
        """The traffic of one rollout."""
        moved_s = chance.random() * MOVED_S
        outage, down = self.traffic.outage, self.traffic.sources_down_s
        return replace(
            self.traffic,
            outage=outage and Spell(outage.begin_s + moved_s, outage.end_s + moved_s, outage.errors),
            sources_down_s=down and (down[0] + moved_s, down[1] + moved_s),
        )


_USUAL: Final = Traffic(rps=100.0, stable_errors=0.001, candidate_errors=0.001, stable_latency_s=0.1, candidate_latency_s=0.1)
"""A hundred requests a second, one in a thousand failing, answered in 0.1 s in the median and 0.32 s at the 99th percentile."""

INCIDENTS: Final[tuple[Incident, ...]] = (
    Incident("broken", "everything fails: 0.1 % -> 100 % errors", replace(_USUAL, candidate_errors=1.0)),
    Incident("failing", "0.1 % -> 5 % errors", replace(_USUAL, candidate_errors=0.05)),
    Incident("leak", "0.1 % -> 5 % errors, after 20 minutes", replace(_USUAL, candidate_errors=0.05, onset_s=1200.0)),
    Incident("thin", "0.1 % -> 3 % errors at 2 requests/s", replace(_USUAL, rps=2.0, candidate_errors=0.03)),
    Incident("slow", "latency three times stable's", replace(_USUAL, candidate_latency_s=0.3)),
    Incident("worse", "0.5 % -> 1.2 % errors", replace(_USUAL, stable_errors=0.005, candidate_errors=0.012)),
    Incident("slightly", "0.8 % -> 1.1 % errors", replace(_USUAL, stable_errors=0.008, candidate_errors=0.011)),
    Incident("quiet day", "nothing is wrong", _USUAL, innocent=True),
    Incident("blind", "metrics away for a minute", replace(_USUAL, sources_down_s=(600.0, 660.0)), innocent=True),
    Incident("shared", "both versions fail half, for 2 minutes", replace(_USUAL, outage=Spell(600.0, 720.0, 0.5)), innocent=True),
    Incident("night", "a request every 5 s", replace(_USUAL, rps=0.2), innocent=True),
)
