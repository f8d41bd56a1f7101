"""What happens in the demo, in order, and what each part must show. Every figure is the clients' own or the admin API's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from proxy.cli.demo.clients import Crowd, Ledger
from proxy.cli.demo.facts import Caught, Expectation, StepSplit, caught, counted_by_proxy, moved_back, step_split
from proxy.cli.demo.stage import Stage
from proxy.cli.demo.telling import Telling
from proxy.cli.demo.watcher import Watcher, Weight
from proxy.cli.output import counted
from proxy.cli.status_view import figure

SERVICE = "shop"
USERS = 200
RATE = 240.0  # requests a second of all users together
V3_GOOD_S = 4.5  # so that it turns bad in its second step, at 25 %
EXPOSURE_MS_MAX = 2000.0
_CALM_S = 2.0  # how long a resting state is looked at
_PART_S = 25.0  # a rollout of three steps of 3 s has ended long before


class Story:
    """The three parts. ``expectations`` grows as they are told; ``figures`` is the summary for programs."""

    def __init__(self, stage: Stage, telling: Telling, ledger: Ledger, crowd: Crowd, watcher: Watcher) -> None:
        self._stage = stage
        self._telling = telling
        self._ledger = ledger
        self._crowd = crowd
        self._watcher = watcher
        self.expectations: list[Expectation] = []
        self.figures: dict[str, Any] = {}
        self._stable = "v1"

    @property
    def held(self) -> bool:
        """Whether the story went as promised."""
        return bool(self.expectations) and all(one.held for one in self.expectations)

    async def tell(self) -> None:
        """All of it. OperatorError: a child died or a part took too long."""
        await self._v1_carries_all()
        await self._v2_is_promoted()
        await self._v3_is_taken_out()
        await self._counts_agree()

    async def _v1_carries_all(self) -> None:
        self._telling.act(f"v1 carries everything: {USERS} users, each with a cookie, {RATE:.0f} requests/s")
        began = _now()
        await self._calm()
        split, bad = self._ledger.split(began), self._bad_since(began)
        self._telling.line(f"{split.total()} answers in {_CALM_S:g} s: {_by_version(split)}; failed: {bad}")
        self._expect("v1 answers everything at first", set(split) == {"v1"} and not bad, f"{split.total()} answers, {bad} failed")

    async def _v2_is_promoted(self) -> None:
        self._telling.act("a good version: the file's target becomes v2")
        edited = await self._edit("v2")
        steps = await self._follow("v2", edited, lambda view: view.get("phase") == "stable" and view.get("stable") == "v2")
        promoted = _now()
        await self._calm()
        bad = self._bad_since(edited)
        back = moved_back(self._ledger.since(edited), "v2")
        after = self._ledger.split(promoted)
        self._telling.line(
            f"promoted {promoted - edited:.1f} s after the edit; since then {_by_version(after)}; failed: {bad}", "green"
        )
        self._stable = "v2"
        self.figures["promotion"] = {"seconds": round(promoted - edited, 3), "failed": bad, "steps": _plain(steps)}
        self._expect("v2 is promoted, nobody sees an error", not bad and set(after) == {"v2"}, f"{bad} failed")
        self._expect("users only move into a rising v2", not back, f"{len(back)} moved back")

    async def _v3_is_taken_out(self) -> None:
        self._telling.act(f"a bad version: the file's target becomes v3, which answers 500 after {V3_GOOD_S:g} s")
        edited = await self._edit("v3")
        steps = await self._follow("v3", edited, lambda view: view.get("phase") == "rolled_back")
        rolled_back = _now()
        await self._calm()
        records = list(self._ledger.since(edited))
        end = caught(records, "v3")
        decided, acknowledged = await self._decision()
        self._tell_end(end, decided, acknowledged)
        settled = [r for r in records if r.sent_at >= rolled_back]
        home = {r.user for r in settled if r.version == "v2" and not r.bad}
        strays = {r.user for r in settled if r.version != "v2" or r.bad}
        self._telling.line(f"{len(home)} of {USERS} users are back on v2; on anything else: {len(strays)}", "green")
        self.figures["rollback"] = {"steps": _plain(steps), "decision": dict(decided), **(_caught(end) if end else {})}
        exposure = end.exposure_ms if end else None
        self._expect(
            f"v3 is out within {EXPOSURE_MS_MAX / 1000:g} s of its first bad answer",
            exposure is not None and exposure < EXPOSURE_MS_MAX,
            f"{figure(exposure, '{:.0f}')} ms, {counted(end.failures if end else 0, 'failure')}",
        )
        self._expect("every user is back on v2", len(home) == USERS and not strays, f"{len(home)} of {USERS} users")

    async def _decision(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The history's entries of the rollback: the decision with its figures, and that no worker uses the candidate any more."""
        entries = {str(entry.get("kind")): entry for entry in reversed(await self._watcher.history())}
        acknowledged = entries.get("rolled_back", {})
        decided = entries.get("rolling_back", acknowledged)
        return (await self._watcher.revision(decided["revision"]) if decided else {}), acknowledged

    def _tell_end(self, end: Caught | None, decided: Mapping[str, Any], acknowledged: Mapping[str, Any]) -> None:
        if end is None:
            self._telling.line("v3 never answered badly, so there was nothing to catch", "red")
            return
        self._telling.line(f"caught: v3 got its last request {end.exposure_ms:.0f} ms after its first bad answer", "bold green")
        self._telling.line(
            f"{counted(end.failures, 'failure')}, seen by {end.users_failed} of {USERS} users; {end.users_met} met v3 at all"
        )
        self._telling.line(f"why: {decided.get('reason', '-')}")
        first = (decided.get("figures") or {}).get("first_failure_s")
        if first and acknowledged:
            self._telling.line(
                f"by the proxy's clock: decided {1000 * (decided['at'] - first):.0f} ms after the first failure, "
                f"in effect {1000 * (acknowledged['at'] - decided['at']):.0f} ms later"
            )

    async def _counts_agree(self) -> None:
        """Nothing in flight for a moment: the proxy's counters must equal the clients' records, to the request."""
        self._telling.act("the books: what the proxy counted, and what the clients counted")
        await self._crowd.rest()
        clients = self._ledger.split(0.0)
        proxy = counted_by_proxy(await self._watcher.metrics(), SERVICE)
        self._crowd.resume()
        differ = self._ledger.disagreements()
        versions = sorted({*clients, *proxy})
        said = ", ".join(f"{version or 'no version'} {proxy[version]} / {clients[version]}" for version in versions)
        self._telling.line(f"proxy / clients: {said}")
        self.figures["requests"] = {"proxy": dict(proxy), "clients": dict(clients)}
        self._expect("the proxy counts what the clients count", proxy == clients, f"{proxy.total()} / {clients.total()}")
        self._expect("X-Headgate-Version is always true", not differ, f"{differ} of {self._ledger.total} wrong")

    async def _edit(self, target: str) -> float:
        """Change the file; nothing else starts the rollout."""
        edited = self._stage.write_target(target)
        await self._watcher.until(lambda view: view.get("candidate") == target, f"the rollout to {target}", _PART_S)
        self._telling.line(f"{self._stage.config.name} edited; {_now() - edited:.2f} s later the rollout runs")
        return edited

    async def _follow(self, candidate: str, edited: float, ended: Any) -> list[StepSplit]:
        """Tell each step as it ends, until the rollout has."""
        told: list[StepSplit] = []

        def seen(view: Mapping[str, Any]) -> None:
            weights = self._weights(edited)
            while len(told) < len(weights) - 1:
                told.append(self._tell_step(len(told) + 1, weights[len(told)], weights[len(told) + 1].seen_at, candidate))
            percent = weights[-1].percent if weights else 0
            self._telling.now(f"{candidate} at {percent:g} %: {view.get('waiting_for') or view.get('phase')}")

        await self._watcher.until(ended, f"the end of the rollout to {candidate}", _PART_S, seen)
        self._telling.quiet()
        return told

    def _weights(self, edited: float) -> list[Weight]:
        """Weights since the edit: those of the steps, and the one that ended them."""
        since = [weight for weight in self._watcher.weights if weight.seen_at >= edited]
        return since[next((i for i, weight in enumerate(since) if weight.percent), len(since)) :]

    def _tell_step(self, number: int, weight: Weight, until: float, candidate: str) -> StepSplit:
        split = step_split(self._ledger.since(weight.seen_at), weight, until, candidate)
        self._telling.line(
            f"step {number}: wanted {split.wanted:3g} %, clients saw {figure(split.measured, '{:4.1f}')} % "
            f"of {split.requests} requests, {split.candidate_users} of {split.users} users"
        )
        return split

    async def _calm(self) -> None:
        await asyncio.sleep(_CALM_S)
        self._stage.check()

    def _bad_since(self, moment: float) -> int:
        return sum(1 for record in self._ledger.since(moment) if record.bad)

    def _expect(self, what: str, held: bool, measured: str) -> None:
        self.expectations.append(Expectation(what, held, measured))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _by_version(split: Counter[str]) -> str:
    return ", ".join(f"{version or 'no version'} {count}" for version, count in sorted(split.items())) or "nothing"


def _plain(steps: list[StepSplit]) -> list[dict[str, Any]]:
    return [
        {"wanted_percent": s.wanted, "measured_percent": s.measured, "requests": s.requests, "candidate_users": s.candidate_users}
        for s in steps
    ]


def _caught(end: Caught) -> dict[str, Any]:
    return {
        "exposure_ms": round(end.exposure_ms, 1),
        "failures": end.failures,
        "users_failed": end.users_failed,
        "users_met": end.users_met,
    }
