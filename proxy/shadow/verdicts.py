"""Whether a difference is the candidate's or comes by itself. A paired test for each path, valid however often one looks.

Facts
-----
*Paired.* Each request was answered by the original, the candidate and a second instance of stable, the noise leg. If the candidate is
as stable is, the requests where only the candidate differs from the original and those where only the noise leg does are equally likely
(McNemar, Psychometrika 12, 1947); requests where both differ, or neither, say nothing.

*Exact.* Given ``n`` such requests the candidate's are binomial(n, 1/2), so the one-sided p is the upper tail at ``copy_only``.

*Looked at all the time.* A p is good for one look. The evidence is that of the guard (``analysis.statistics``): an even split is its
share of one half at ratio 1, so E is a supermartingale from 1 under the hypothesis and P(E ever reaches x) <= 1/x.

*Many paths.* With K paths the bound for each is alpha / K, so that the chance of one false word in the whole report is alpha.

Without a noise leg there is nothing to compare with: a difference that came ``DIFFERENCES_MIN`` times is told, and the operator says
what is meant (``allow``) or not looked at (``ignore``).
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from proxy.analysis.statistics import SHARE_BP, ShareFailures, log_evidence
from proxy.shadow.compare import Rules
from proxy.shadow.counts import OTHER_ALLOWED, Counts, PathCount, key_of
from proxy.shadow.json_diff import Difference

ALPHA: Final = 0.01
"""The chance that a report names any path wrongly."""

DIFFERENCES_MIN: Final = 3
"""Once may be a retry, twice a coincidence; and without a noise leg nothing better can be had."""


class Finding(StrEnum):
    """What is known of a path."""

    DIFFERS = "differs"
    NOISE = "noise"
    ALLOWED = "allowed"
    UNKNOWN = "cannot tell yet"


class PathVerdict(msgspec.Struct, frozen=True):
    """A path's finding and what it stands on. ``log_evidence`` and ``p`` are None without a noise leg."""

    finding: Finding
    reason: str
    log_evidence: float | None = None
    threshold: float | None = None
    p: float | None = None


def judge(count: PathCount, paths: int, *, noise: bool, allow: Rules) -> PathVerdict:
    """What is known of one of ``paths`` paths."""
    if count.path == OTHER_ALLOWED or allow.cover(count.path):
        return PathVerdict(Finding.ALLOWED, "the configuration allows it")
    return _paired(count, paths) if noise else _alone(count)


def _alone(count: PathCount) -> PathVerdict:
    if count.differing >= DIFFERENCES_MIN:
        return PathVerdict(Finding.DIFFERS, f"in {count.differing} pairs; there is no noise leg to compare with")
    return PathVerdict(
        Finding.UNKNOWN, f"in {count.differing} of at least {DIFFERENCES_MIN} pairs; there is no noise leg to compare with"
    )


def _paired(count: PathCount, paths: int) -> PathVerdict:
    counted = f"only the candidate in {count.copy_only} pairs, only the noise leg in {count.noise_only}, both in {count.both}"
    p = mcnemar(count.copy_only, count.noise_only)
    return PathVerdict(_paired_finding(count, paths), counted, _evidence(count), _threshold(paths), p)


def _paired_finding(count: PathCount, paths: int) -> Finding:
    if _proven(count, _threshold(paths)):
        return Finding.DIFFERS
    return Finding.NOISE if count.noise_only + count.both >= DIFFERENCES_MIN else Finding.UNKNOWN


def _proven(count: PathCount, threshold: float) -> bool:
    """Whether the evidence is enough. Most paths are far from it, which is seen without weighing: each pair of the candidate's at most
    doubles it, and no more of those than of the noise leg's are no evidence."""
    if count.copy_only < DIFFERENCES_MIN or count.copy_only <= count.noise_only or count.copy_only * math.log(2) < threshold:
        return False
    return _evidence(count) >= threshold


def _evidence(count: PathCount) -> float:
    return log_evidence([ShareFailures(SHARE_BP // 2, count.copy_only, count.noise_only)], 1.0)


def _threshold(paths: int) -> float:
    return math.log(max(1, paths) / ALPHA)


def mcnemar(copy_only: int, noise_only: int) -> float:
    """The exact one-sided p of McNemar's test: that at least ``copy_only`` of all discordant pairs are the candidate's."""
    pairs = copy_only + noise_only
    if copy_only <= pairs / 2:  # the even binomial is symmetric, and the far tail is the one that can be summed quickly
        return 1.0 - _upper_tail(noise_only + 1, pairs)
    return _upper_tail(copy_only, pairs)


def _upper_tail(least: int, pairs: int) -> float:
    """P(X >= least) of binomial(pairs, 1/2), for a ``least`` above the middle: there each term is smaller than the one before."""
    if least > pairs:
        return 0.0
    term = total = math.exp(_log_choose(pairs, least) - pairs * math.log(2))
    for k in range(least, pairs):
        term *= (pairs - k) / (k + 1)
        total += term
        if term < total * 1e-17:
            break
    return total


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def finding_at(counts: Counts, route: str, difference: Difference, allow: Rules) -> Finding:
    """What is known by now of a difference that has just been counted; one that is counted under ``OTHER`` is not known."""
    if allow.cover(difference.path):
        return Finding.ALLOWED
    counted = counts.routes.get(route)
    count = counted.paths.get(key_of(difference.path, difference.kind)) if counted is not None else None
    if count is None:
        return Finding.UNKNOWN
    return _paired_finding(count, counts.paths) if counts.noise else _alone(count).finding


class Judged(NamedTuple):
    """A path of a route, what was counted there, and what is known of it."""

    route: str
    counted: PathCount
    verdict: PathVerdict


def judge_all(counts: Counts, allow: Rules) -> list[Judged]:
    """Every path: what report, summary and mismatch rate all stand on."""
    paths, noise = counts.paths, bool(counts.noise)
    return [
        Judged(name, count, judge(count, paths, noise=noise, allow=allow))
        for name, route in counts.routes.items()
        for count in route.paths.values()
    ]


def differing(judged: list[Judged]) -> list[Judged]:
    """Those that differ, the most frequent first: what a rollout must not go on with."""
    found = [entry for entry in judged if entry.verdict.finding is Finding.DIFFERS]
    return sorted(found, key=lambda entry: (-entry.counted.differing, entry.route, entry.counted.path, entry.counted.kind))


def mismatch_rate(compared: int, judged: list[Judged]) -> float | None:
    """The share of pairs that differ at the worst path that is neither noise nor allowed; None when nothing was compared.

    A path's share, not that of pairs which differ anywhere: pairs whose only difference is noise must not count, and which those are is
    known only later. It is a lower bound of the share of changed answers, and exact when one change is the cause.
    """
    if not compared:
        return None
    unexplained = (entry.counted for entry in judged if entry.verdict.finding in (Finding.DIFFERS, Finding.UNKNOWN))
    return max((count.copy_only + count.unpaired for count in unexplained), default=0) / compared
