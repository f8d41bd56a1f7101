"""What workers should serve, and getting all of them to serve it: the plan as a function, and its publication in two phases.

*Prepare*: each worker compiles the plan; one refusal and nobody takes it. *Commit*: each swaps its reference. Between the two the
caller makes its decision durable, so that a decision is in the history before it has any effect. A worker that does not answer is
killed and started again on the new plan rather than left on the old one. A plan whose services switch atomically has a ``barrier``
before its commit. Knows nothing of why a plan changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec.structs import replace

from proxy import limits
from proxy.control.barrier import Barrier
from proxy.control.comparisons import rules_of, shadow_of
from proxy.control.workers import Answer, Workers
from proxy.errors import PlanRefused
from proxy.model.intent import Intent
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.position import RESTING, WEIGHT_BP_MAX, Phase, Position
from proxy.model.service import Service, Version
from proxy.rollout.rolling import in_service
from proxy.rollout.strategies import strategy_of
from proxy.shadow.messages import Rules
from proxy.telemetry.cutover import Cutover, merged


def build(intent: Intent, positions: Mapping[str, Position], generation: int, comparer: str = "") -> RoutePlan:
    """The plan that puts ``positions`` of ``intent``'s services into effect. Every service with a target has a position.

    ``comparer`` is where pairs of answers are compared, when any are.
    """
    trying = any(_is_trying(positions[service.name]) for service in intent.services if service.target)
    return RoutePlan(
        generation=generation,
        digest=intent.digest,
        listeners=intent.listeners,
        services=tuple(_service_plan(service, positions.get(service.name)) for service in intent.services),
        routes=intent.routes,
        snapshot_interval_s=limits.SNAPSHOT_FAST_S if trying else limits.SNAPSHOT_SLOW_S,
        access_log=intent.access_log,
        workers=intent.workers,
        tracing=intent.tracing,
        nameservers=intent.nameservers,
        comparer=comparer if compared(intent, positions) else "",
    )


def _is_trying(position: Position) -> bool:
    """Whether workers should report often: a candidate has weight, or endpoints are drained."""
    return bool(position.candidate and position.weight_bp > 0) or is_rolling(position)


def compared(intent: Intent, positions: Mapping[str, Position]) -> dict[str, Rules]:
    """How pairs of answers are compared under that plan, by service; those of which none are compared are absent."""
    rules = {service.name: rules_of(service, positions.get(service.name)) for service in intent.services}
    return {name: rule for name, rule in rules.items() if rule is not None}


def _service_plan(service: Service, position: Position | None) -> ServicePlan:
    if not service.target:
        weights = dict(service.traffic)
        rollout, stable, candidate, slow_over_s = 0, "", "", 0.0
    else:
        assert position is not None, f"{service.name} has a target and no position"
        weights = weights_of(position)
        if is_rolling(position):
            weights = _served(service, position, weights)
        stable, rollout, candidate, slow_over_s = position.stable, 0, "", 0.0
        if position.phase not in RESTING and service.version(position.candidate) is not None:
            rollout, candidate, slow_over_s = position.rollout, position.candidate, position.slow_over_s
    standby = standby_of(service, position)
    return ServicePlan(
        name=service.name,
        versions=tuple(_placed(version, position) for version in service.versions),
        weights=tuple(weights.get(version.name, 0) for version in service.versions),
        rollout=rollout,
        stable=stable,
        candidate=candidate,
        sticky=service.sticky,
        overrides=service.overrides,
        timeouts=service.timeouts,
        balance=service.balance,
        expose_version=service.expose_version,
        retries=service.retries,
        fallback=service.fallback and not (position is not None and _alone(position)),
        health=service.health,
        ejection=service.ejection,
        limits=service.limits,
        tls=service.tls,
        drain_s=service.rollout.drain_s,
        slow_over_s=slow_over_s,
        standby=standby,
        knock=_knocked(service, position),
        shadow=shadow_of(service, position),
    )


def _alone(position: Position) -> bool:
    """Whether the candidate, having everything, answers for itself: stable is out of it, or has no endpoint left that could answer."""
    return position.phase is Phase.PROMOTING or (is_rolling(position) and position.weight_bp == WEIGHT_BP_MAX)


def is_rolling(position: Position) -> bool:
    """Whether endpoints of the service move from one version to the other just now."""
    return strategy_of(position).IN_BATCHES and position.phase not in RESTING


def standby_of(service: Service, position: Position | None) -> tuple[tuple[str, str], ...]:
    """The endpoints (version, label) that a rolling rollout gives no request at present."""
    if position is None or not is_rolling(position):
        return ()
    versions = [service.version(position.stable), service.version(position.candidate)]
    labels = [[endpoint.label for endpoint in version.endpoints] if version is not None else [] for version in versions]
    serving = in_service(position, *labels)
    return tuple(
        (version.name, label)
        for version, all_labels, used in zip(versions, labels, serving, strict=True)
        if version is not None
        for label in all_labels
        if label not in used
    )


def _knocked(service: Service, position: Position | None) -> tuple[str, ...]:
    """Versions whose endpoints a rollout goes by, where the configuration does not say how their health is asked for."""
    if position is None or position.phase in RESTING or service.health is not None:
        return ()
    return strategy_of(position).looked_at(position)


def _served(service: Service, position: Position, weights: dict[str, float]) -> dict[str, float]:
    """Everything to the version that has endpoints in service when the other has none: a reload may just have taken them away."""
    standing_by = set(standby_of(service, position))
    able = {v.name for v in service.versions if any((v.name, e.label) not in standing_by for e in v.endpoints)}
    kept = {version: weight for version, weight in weights.items() if version in able}
    return kept or dict.fromkeys(able & {position.stable, position.candidate}, WEIGHT_BP_MAX)


def _placed(version: Version, position: Position | None) -> Version:
    """The version as workers get it: one that endpoints are moving to starts each of them slowly."""
    if position is None or version.name != position.candidate or not is_rolling(position):
        return version
    return replace(version, slow_start_s=max(version.slow_start_s, position.plan.rolling.slow_start_s))


def weights_of(position: Position) -> dict[str, float]:
    """Basis points by version of a service with a target; versions without weight are absent."""
    weights: dict[str, float] = {position.stable: WEIGHT_BP_MAX}
    if position.phase not in RESTING and position.weight_bp:
        weights[position.stable] = WEIGHT_BP_MAX - position.weight_bp
        weights[position.candidate] = position.weight_bp
    return {version: weight for version, weight in weights.items() if weight}


class Publisher:
    """Holds the plan in force and which workers serve it. One publication at a time: the control loop is the only caller."""

    def __init__(self, workers: Workers, on_replaced: Callable[[int, str], None]) -> None:
        self._workers = workers
        self._on_replaced = on_replaced
        self._barrier = Barrier(workers, self._replace_silent)
        self._prepared: RoutePlan | None = None
        self._switching: tuple[str, ...] = ()
        self._willing: tuple[int, ...] = ()
        self.current: RoutePlan | None = None
        self.serving: frozenset[int] = frozenset()
        """Slots that serve ``current``."""

    async def prepare(self, plan: RoutePlan, switching: tuple[str, ...] = ()) -> None:
        """First phase. Raises ``PlanRefused`` with the first worker's reason; then no worker keeps anything of the plan.

        ``switching`` are the services whose requests wait until every worker can serve the plan.
        """
        assert self._prepared is None, "one publication at a time"
        slots = tuple(sorted(self.serving))
        answers = await self._workers.prepare(plan, slots, limits.PREPARE_TIMEOUT_S, switching)
        refusals = [f"worker {slot}: {a.reason}" for slot, a in sorted(answers.items()) if a.state == "refused"]
        willing = tuple(slot for slot in slots if answers[slot].state == "done")
        self._replace_silent(answers, f"did not compile generation {plan.generation} in {limits.PREPARE_TIMEOUT_S:g} s")
        if refusals or (slots and not willing):
            self._workers.abandon(plan.generation, slots)
            raise PlanRefused(
                refusals[0] if refusals else f"no worker compiled it: they ended, or took over {limits.PREPARE_TIMEOUT_S:g} s"
            )
        self._prepared, self._willing, self._switching = plan, willing, switching

    def abandon(self) -> None:
        """Leave a prepared plan: what should have become durable did not."""
        assert self._prepared is not None
        self._workers.abandon(self._prepared.generation, self._willing)
        self._prepared, self._willing = None, ()

    async def commit(self) -> dict[str, Cutover]:
        """Second phase. After it no worker serves an older plan: it serves this one, or it has been killed.

        Returns what workers saw of the services that switched behind the barrier.
        """
        plan, willing = self._prepared, self._willing
        assert plan is not None, "prepare comes first"
        self._prepared, self._willing = None, ()
        self.current = plan
        self.serving = frozenset()  # of this plan, nobody yet: a worker announced meanwhile is brought up on it
        if not self._switching:
            await self._commit(plan, willing)
            return {}
        answers = await self._commit(plan, await self._barrier.raised(plan.generation, willing))
        await self._barrier.lowered()
        seen = merged(cutover for answer in answers.values() for cutover in answer.cutovers)
        return {name: seen.get(name) or Cutover(name) for name in self._switching}

    @property
    def barrier_tries(self) -> int:
        """How often the barrier of the last switch had to be raised."""
        return self._barrier.tries

    @property
    def generation(self) -> int:
        """Of the plan in force; 0 before there is one."""
        return self.current.generation if self.current is not None else 0

    def install(self, plan: RoutePlan) -> None:
        """Take the very first plan, before any worker is up."""
        assert self.current is None
        self.current = plan

    async def bring_up(self, slots: Collection[int]) -> None:
        """Fresh workers take the plan in force. Raises ``PlanRefused`` when one refuses it; silent ones are replaced."""
        plan = self.current
        assert plan is not None, "install comes first"
        wanted = tuple(sorted(slots))
        answers = await self._workers.prepare(plan, wanted, limits.PREPARE_TIMEOUT_S)
        self._replace_silent(answers, f"did not compile generation {plan.generation} in {limits.PREPARE_TIMEOUT_S:g} s")
        await self._commit(plan, tuple(slot for slot in wanted if answers[slot].state == "done"))
        for slot, answer in sorted(answers.items()):
            if answer.state == "refused":
                raise PlanRefused(f"worker {slot}: {answer.reason}")

    def down(self, slot: int) -> None:
        """The worker in ``slot`` ended."""
        self.serving -= {slot}

    async def _commit(self, plan: RoutePlan, slots: tuple[int, ...]) -> dict[int, Answer]:
        answers = await self._workers.commit(plan.generation, slots, limits.COMMIT_TIMEOUT_S)
        self._replace_silent(answers, f"did not take generation {plan.generation} in {limits.COMMIT_TIMEOUT_S:g} s")
        self.serving |= {slot for slot, answer in answers.items() if answer.state == "done"}
        return answers

    def _replace_silent(self, answers: Mapping[int, Answer], why: str) -> None:
        for slot, answer in sorted(answers.items()):
            if answer.state == "silent":
                self.serving -= {slot}
                self._workers.replace(slot, why)
                self._on_replaced(slot, why)
