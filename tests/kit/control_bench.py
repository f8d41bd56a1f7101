"""A control loop on a bench: pretended workers, a store in memory, a clock that moves when told. No process, no socket, no sleep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from proxy.analysis.series import Series
from proxy.clock import ManualClock
from proxy.control.events import RecentEvents
from proxy.control.ledger import Ledger
from proxy.control.loop import Control
from proxy.control.workers import Answer
from proxy.errors import OperatorError
from proxy.model.intent import Intent, Listener
from proxy.model.plan import RoutePlan
from proxy.model.position import Decided, Position, Record, Revision
from proxy.model.rollout import RolloutPlan, WeightStep
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Service, Version
from proxy.tasks import TaskGroup
from proxy.telemetry.cutover import Cutover
from proxy.telemetry.snapshot import CellDelta, Snapshot
from tests.kit.outside import PretendedClient

KeptPositions = dict[str, tuple[Position, dict[str, Any] | None]]
KeptSeries = dict[tuple[str, int], tuple[Series, dict[str, Any]]]

PLAN = RolloutPlan(steps=(WeightStep(weight_bp=1000, for_s=5.0), WeightStep(weight_bp=5000, for_s=5.0)))


def version(name: str, port: int = 9001, **labels: str) -> Version:
    """A version with one endpoint."""
    return Version(name, (Endpoint("127.0.0.1", port),), tuple(labels.items()))


def service(target: str = "v1", *versions: str, name: str = "shop", **more: Any) -> Service:
    """A service with a target and versions (v1 and v2 unless said)."""
    names = versions or ("v1", "v2")
    return Service(name, tuple(version(v, 9000 + i) for i, v in enumerate(names)), target=target, **{"rollout": PLAN, **more})


def intent(*services: Service, digest: str = "d1", **more: Any) -> Intent:
    """A whole configuration around services."""
    kept = services or (service(),)
    routes = tuple(Route(Match(path_prefix="/"), s.name) for s in kept)
    return Intent(**{"digest": digest, "listeners": (Listener("web", "127.0.0.1", 0),), "services": kept, "routes": routes, **more})


class InlineExecutor(Executor):
    """Calls at once, in the caller's thread."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as an executor does: it is the future's
            future.set_exception(error)
        return future


class StoreInMemory:
    """What the loop needs of a store; writes a line into ``journal`` for each decision, and fails while ``broken`` says why."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.positions: dict[str, tuple[Position, dict[str, Any] | None]] = {}
        self.revisions: dict[str, list[Revision]] = {}
        self.broken = ""
        self.broken_for = ""
        """A service whose decisions cannot be kept."""
        self.last_known_failed = ""
        self.progressed = 0
        self.kept_series: KeptSeries = {}

    def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]:
        return dict(self.positions)

    def decide_all(self, decided: Sequence[Decided], now: float) -> list[list[int]]:
        if self.broken or any(each.position.service == self.broken_for for each in decided):
            raise OperatorError(self.broken or "disk full")
        return [self._decide(each.position, each.records, now, each.tally_json) for each in decided]

    def _decide(self, position: Position, records: Sequence[Record], now: float, tally_json: dict[str, Any] | None) -> list[int]:
        kept = self.revisions.setdefault(position.service, [])
        for record in records:
            self.journal.append(f"decide {record.kind}")
            kept.append(Revision(position.service, len(kept) + 1, now, record.kind, record.reason, record.figures, record.by, position))
        self.positions[position.service] = (position, tally_json)
        return [revision.revision for revision in kept[len(kept) - len(records) :]]

    def progress(self, position: Position, tally_json: dict[str, Any] | None) -> None:
        if self.broken:
            raise OperatorError(self.broken)
        self.progressed += 1
        self.positions[position.service] = (position, tally_json)

    def keep_series(self, service: str, rollout: int, series: Series, exposure_json: dict[str, Any]) -> None:
        if self.broken:
            raise OperatorError(self.broken)
        self.kept_series[service, rollout] = (series, exposure_json)

    def series(self, service: str, rollout: int) -> tuple[Series, dict[str, Any]] | None:
        return self.kept_series.get((service, rollout))

    def history(self, service: str, limit: int) -> list[Revision]:
        return self.revisions.get(service, [])[::-1][:limit]

    def revision(self, service: str, number: int) -> Revision | None:
        return next((r for r in self.revisions.get(service, []) if r.revision == number), None)

    def close(self) -> None:
        self.journal.append("close")


class PretendedWorkers:
    """Workers that obey at once. ``refusing`` maps slots to reasons, ``silent`` are slots that never answer.

    ``deaf_to_hold`` says by slot how many orders to hold it does not answer, ``let_go`` how many barriers somebody lets go of before
    they are agreed on, ``cutovers`` what a slot has seen of a switch.
    """

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.refusing: dict[int, str] = {}
        self.silent: set[int] = set()
        self.deaf_to_hold: dict[int, int] = {}
        self.let_go = 0
        self.cutovers: dict[int, tuple[Cutover, ...]] = {}
        self.replaced: list[int] = []
        self.plans: dict[int, RoutePlan] = {}

    async def prepare(
        self, plan: RoutePlan, slots: Collection[int], timeout_s: float, switching: tuple[str, ...] = ()
    ) -> dict[int, Answer]:
        self.journal.append(" ".join((f"prepare {plan.generation}", *switching)))
        self.plans[plan.generation] = plan
        return {
            slot: Answer("silent")
            if slot in self.silent
            else Answer("refused", self.refusing[slot])
            if slot in self.refusing
            else Answer("done")
            for slot in slots
        }

    async def commit(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        self.journal.append(f"commit {generation}")
        return {
            slot: Answer("silent") if slot in self.silent else Answer("done", cutovers=self.cutovers.get(slot, ())) for slot in slots
        }

    async def hold(self, generation: int, slots: Collection[int], timeout_s: float) -> dict[int, Answer]:
        self.journal.append(f"hold {generation} on {', '.join(map(str, slots))}")
        answers = {}
        for slot in slots:
            deaf = self.deaf_to_hold.get(slot, 0)
            self.deaf_to_hold[slot] = max(0, deaf - 1)
            answers[slot] = Answer("silent" if deaf or slot in self.silent else "done")
        return answers

    def agree(self, *, switch: bool) -> bool:
        agreed = switch and not self.let_go
        self.let_go = max(0, self.let_go - switch)
        self.journal.append("agree" if agreed else "stay")
        return agreed

    async def ended(self, timeout_s: float) -> bool:
        return True

    def lower(self) -> None:
        self.journal.append("lower")

    def abandon(self, generation: int, slots: Collection[int]) -> None:
        self.journal.append(f"abandon {generation}")

    def replace(self, slot: int, why: str) -> None:
        self.replaced.append(slot)

    async def collect(self, timeout_s: float) -> bool:
        return True

    def pids(self) -> dict[int, int]:
        return {}


class Bench:
    """A control loop that runs, and everything around it. ``file`` is what the next reload reads (an error is raised)."""

    def __init__(self, first: Intent, kept: KeptPositions | None = None, series: KeptSeries | None = None) -> None:
        self.journal: list[str] = []
        self.file: Intent | OperatorError = first
        self.clock = ManualClock(now=1000.0)
        self.workers = PretendedWorkers(self.journal)
        self.store = StoreInMemory(self.journal)
        self.store.positions = dict(kept or {})
        self.store.kept_series = dict(series or {})
        self.client = PretendedClient()
        self.failures: list[BaseException] = []
        self.failed = asyncio.Event()
        self.may_fail = False
        """Whether the test waits for a task to fail; else a failure is the test's."""
        self.test: asyncio.Task[Any] | None = None
        self.tasks = TaskGroup(self._task_failed)
        self.control = Control(
            first,
            load=self._load,
            ledger=Ledger(self.store, InlineExecutor()),
            workers=self.workers,
            clock=self.clock,
            events=RecentEvents(lambda event: None),
            tasks=self.tasks,
            client=self.client,
        )
        self.sequences: dict[int, int] = {}

    def _task_failed(self, name: str, error: BaseException) -> None:
        self.failures.append(error)
        self.failed.set()
        if not self.may_fail and self.test is not None:
            self.test.cancel()  # it would wait for ever for a loop that has ended

    def _load(self) -> Intent:
        if isinstance(self.file, OperatorError):
            raise self.file
        return self.file

    async def up(self, *slots: int) -> None:
        """Workers start and are brought up."""
        for slot in slots or range(self.control.intent.workers):
            self.control.worker_up(slot, 100 + slot)
        await self.control.settled()

    async def report(self, *cells: CellDelta, slot: int = 0, **levels: Any) -> None:
        """A worker sends counts, and they are dealt with."""
        self.sequences[slot] = self.sequences.get(slot, 0) + 1
        sent = Snapshot(slot, self.sequences[slot], self.control.generation, self.clock.wall(), cells=list(cells), **levels)
        self.control.worker_report(slot, sent)
        await self.control.settled()

    async def after(self, seconds: float, *cells: CellDelta) -> None:
        """Time passes, a report a second, the cells in each."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            await self.report(*cells)

    def cell(self, version: str, *, ok: int = 0, bad: int = 0, service: str = "shop") -> CellDelta:
        """Requests of one version under the present plan; ``bad`` ones were 500s."""
        position = self.control.standings[service].position
        return CellDelta(
            service=service,
            version=version,
            generation=self.control.generation,
            rollout=position.rollout,
            candidate_share=position.weight_bp / 10_000,
            requests={code: n for code, n in ((200, ok), (500, bad)) if n},
            failures={"status_5xx": bad} if bad else {},
            draws=ok + bad,
            draw_failures={"status_5xx": bad} if bad else {},
            latency={3: ok + bad},
            latency_sum_s=0.001 * (ok + bad),
        )

    def position(self, service: str = "shop") -> Position:
        """Where a service stands."""
        return self.control.standings[service].position

    def plan(self) -> RoutePlan:
        """The plan in force."""
        return self.workers.plans[self.control.generation]

    def weights(self, name: str = "shop") -> dict[str, float]:
        """Relative weights of a service in the plan in force."""
        found = next(s for s in self.plan().services if s.name == name)
        return {v.name: w for v, w in zip(found.versions, found.weights, strict=True) if w}

    async def target(self, name: str, digest: str = "d2") -> Any:
        """The file names another target, and is reloaded."""
        assert isinstance(self.file, Intent)
        services = tuple(replace(s, target=name) if s.name == "shop" else s for s in self.file.services)
        self.file = replace(self.file, services=services, digest=digest)
        return await self.control.reload(source="test", by="test")


@asynccontextmanager
async def bench(
    first: Intent | None = None, kept: KeptPositions | None = None, *, up: bool = True, series: KeptSeries | None = None
) -> AsyncIterator[Bench]:
    """A bench with a running loop, and its workers up unless told otherwise."""
    made = Bench(first or intent(), kept, series)
    await made.control.start()
    made.test = asyncio.current_task()
    made.tasks.spawn(made.control.run(), name="control")
    try:
        if up:
            await made.up()
        made.journal.clear()
        yield made
    except asyncio.CancelledError:
        raise made.failures[0] if made.failures else asyncio.CancelledError from None
    finally:
        await made.tasks.close()
