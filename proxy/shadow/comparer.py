"""All services that are compared: their rules, their counts, and what is kept of both. Pure but for the file it keeps.

A pair of a version that is not compared any more is a mismatch to nobody: it is called a match and counted nowhere, for the worker that
sent it waits for a word.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from proxy import limits
from proxy.model.pair import Pair
from proxy.shadow import compare
from proxy.shadow.counts import Counts
from proxy.shadow.messages import Rules, Summary
from proxy.shadow.report import report, word_of
from proxy.shadow.verdicts import Finding, differing, finding_at, judge_all, mismatch_rate


class _Kept(msgspec.Struct):
    """One service in the file."""

    rules: Rules
    counts: Counts


class Comparer:
    """``path`` is the file where counts outlive the process; empty: nowhere."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._services: dict[str, _Kept] = {}
        self._looked_away: dict[str, tuple[compare.Rules, compare.Rules]] = {}  # what is ignored, what is allowed
        self._before: dict[str, _Kept] = _read(path)
        self._changed: set[str] = set()
        self.unkept = ""
        """Why the file could not be written the last time; empty when it could."""

    def use(self, services: dict[str, Rules], now: float) -> None:
        """Compare these services so from now on. ``now`` is Unix time. Counts of the same comparison go on, a restart between."""
        known = self._before | self._services
        self._services = {}
        self._before = {}
        for name, rules in services.items():
            kept = known.get(name)
            if kept is None or msgspec.structs.replace(kept.rules, allow=()) != msgspec.structs.replace(rules, allow=()):
                kept = _Kept(rules, Counts(name, rules.version, now, rules.noise))
            self._services[name] = _Kept(rules, kept.counts)
        self._looked_away = {name: (compare.Rules(rules.ignore), compare.Rules(rules.allow)) for name, rules in services.items()}
        self._changed = set(services)

    def add(self, pair: Pair) -> bool:
        """Compare and count a pair; whether its answers match, but for what is known as noise by now or is allowed."""
        kept = self._services.get(pair.service)
        if kept is None or kept.rules.version != pair.version:
            return True
        self._changed.add(pair.service)
        ignore, allow = self._looked_away[pair.service]
        found = kept.counts.add(pair, ignore, allow)
        return all(finding_at(kept.counts, pair.route, d, allow) in (Finding.NOISE, Finding.ALLOWED) for d in found)

    def report(self, service: str) -> dict[str, Any] | None:
        """The report of a service; None when it is not compared."""
        kept = self._services.get(service)
        return None if kept is None else report(kept.counts, ignore=kept.rules.ignore, allow=kept.rules.allow)

    def summaries(self) -> list[Summary]:
        """Services whose standing has changed since the last call."""
        changed, self._changed = self._changed & self._services.keys(), set()
        return [_summary(self._services[name]) for name in sorted(changed)]

    def keep(self) -> None:
        """Write the file, whole or not at all; samples are left out when they would make it too large."""
        if self._path is None:
            return
        data = msgspec.json.encode(self._services)
        if len(data) > limits.COMPARISONS_FILE_BYTES_MAX:
            for kept in self._services.values():
                for route in kept.counts.routes.values():
                    for count in route.paths.values():
                        count.samples.clear()
            data = msgspec.json.encode(self._services)
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # answers are nobody else's business
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(temporary, self._path)
        except OSError as error:
            self.unkept = f"{self._path}: {error.strerror}"
        else:
            self.unkept = ""


def _summary(kept: _Kept) -> Summary:
    counts = kept.counts
    judged = judge_all(counts, compare.Rules(kept.rules.allow))
    word, reason = word_of(counts, judged)
    different = differing(judged)[: limits.DIFFERENT_PATHS_TOLD_MAX]
    return Summary(
        service=counts.service,
        version=counts.version,
        rollout=kept.rules.rollout,
        compared=counts.compared,
        failed=counts.failed,
        mismatch_rate=mismatch_rate(counts.compared, judged),
        word=word.value,
        reason=reason,
        different=tuple(f"{route} {count.path} ({count.kind})" for route, count, _ in different),
    )


def _read(path: Path | None) -> dict[str, _Kept]:
    """What the file has; nothing when there is none or it cannot be read: comparing begins anew, which is safe."""
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Kept])
    except (OSError, msgspec.DecodeError):
        return {}
