"""What the clients' records say: splits, who moved, how a bad version was caught. Pure; every time is loop seconds of one clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from proxy.cli.demo.clients import Record
from proxy.cli.demo.watcher import Weight

SETTLE_S = 0.15  # around a change of weight: the workers take it a moment before the API shows it


class Expectation(msgspec.Struct, frozen=True):
    """Something the story promised, whether it held, and the figure it stands on."""

    what: str
    held: bool
    figure: str


class StepSplit(msgspec.Struct, frozen=True):
    """What clients saw during one weight. ``wanted`` is percent."""

    wanted: float
    requests: int
    candidate_requests: int
    users: int
    candidate_users: int

    @property
    def measured(self) -> float | None:
        """Percent of the requests that the candidate answered; None when there were none."""
        return 100 * self.candidate_requests / self.requests if self.requests else None


def step_split(records: Iterable[Record], weight: Weight, until: float, candidate: str) -> StepSplit:
    """The split of requests sent while ``weight`` held, ``until`` the next one was seen; its edges are left out."""
    chosen = [r for r in records if weight.seen_at + SETTLE_S <= r.sent_at < until - SETTLE_S and r.version]
    on_candidate = [r for r in chosen if r.version == candidate]
    return StepSplit(
        wanted=weight.percent,
        requests=len(chosen),
        candidate_requests=len(on_candidate),
        users=len({r.user for r in chosen}),
        candidate_users=len({r.user for r in on_candidate}),
    )


def moved_back(records: Iterable[Record], candidate: str) -> set[int]:
    """Users who were answered by another version after the candidate had answered them; requests in order of sending."""
    met: set[int] = set()
    back: set[int] = set()
    for record in sorted(records, key=lambda r: r.sent_at):
        if record.version == candidate:
            met.add(record.user)
        elif record.version and record.user in met:
            back.add(record.user)
    return back


class Caught(msgspec.Struct, frozen=True):
    """How a bad candidate ended, by the clients' clock. Counts are of its bad answers."""

    first_bad_at: float
    last_sent_at: float
    failures: int
    users_failed: int
    users_met: int

    @property
    def exposure_ms(self) -> float:
        """From the first bad answer's arrival to the sending of the last request the candidate got; 0 when none was sent after it."""
        return max(0.0, 1000 * (self.last_sent_at - self.first_bad_at))


def caught(records: Sequence[Record], candidate: str) -> Caught | None:
    """None when the candidate never answered badly."""
    mine = [r for r in records if candidate in (r.version, r.header)]
    bad = [r for r in mine if r.bad]
    if not bad:
        return None
    return Caught(
        first_bad_at=min(r.done_at for r in bad),
        last_sent_at=max(r.sent_at for r in mine),
        failures=len(bad),
        users_failed=len({r.user for r in bad}),
        users_met=len({r.user for r in mine}),
    )


def counted_by_proxy(metrics: str, service: str) -> Counter[str]:
    """``headgate_requests_total`` of one service by version, from Prometheus text."""
    totals: Counter[str] = Counter()
    for labels, value in re.findall(r"^headgate_requests_total\{([^}]*)\} ([0-9.e+]+)", metrics, re.MULTILINE):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if named.get("service") == service:
            totals[named.get("version", "")] += round(float(value))
    return totals
