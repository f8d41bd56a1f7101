"""Random events in any order and at any time, for every strategy: the machine keeps to its table, and a crash changes no history.

``Walk`` holds at every move what is promised of phases, weights, effects, freezes and the history. The second test plays the same story
without a crash and then with one at each boundary there was in it (``tests.kit.machine_model``): decided, kept, in force, asked.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from proxy.control.publisher import build
from proxy.model.kinds import RECORD_KINDS
from proxy.model.plan import ServicePlan
from proxy.model.position import RESTING, WEIGHT_BP_MAX, Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import FreezeWindow, GateStep, Guard, Hook, Rolling, RolloutPlan, ShadowStep, WeightStep
from proxy.model.service import Endpoint, Service, Shadow, Version
from proxy.rollout import rolling
from proxy.rollout.entering import open_question
from proxy.rollout.events import Applied, Ask, Command, EndpointLevel, Event, Heard, Measured, Publish, TargetSet
from proxy.rollout.freeze import frozen_until
from proxy.rollout.machine import TABLE, IllegalTransition, initial, possible, step
from proxy.rollout.waiting import waiting_for
from tests.kit.control_bench import intent
from tests.kit.machine_model import Answer, Scripted, World

VERSIONS = ("v1", "v2", "v3", "v4")
ENDPOINTS = {"v1": "abc", "v2": "abc", "v3": "xy", "v4": "z"}
"""v2 is v1's instances replaced in their places; the others have their own, and other numbers of them."""

FREEZE = (FreezeWindow(3 * 1440, 3 * 1440 + 4), FreezeWindow(3 * 1440 + 8, 3 * 1440 + 12))  # eight of the first minutes of 1970

steps = st.one_of(
    st.builds(WeightStep, weight_bp=st.integers(1, WEIGHT_BP_MAX), for_s=st.sampled_from([0.0, 5.0]), min_requests=st.integers(0, 20)),
    st.builds(ShadowStep, percent_bp=st.just(500), for_s=st.sampled_from([0.0, 5.0])),
    st.just(GateStep()),
    st.just(GateStep("remote", "http://ci/gate")),
)
points = st.sampled_from(["before_rollout", "before_step", "before_promotion", "after_promotion", "after_rollback"])
plans = st.builds(
    RolloutPlan,
    strategy=st.sampled_from(["canary", "canary", "blue_green", "rolling", "rolling", "shadow"]),
    steps=st.lists(steps, max_size=3).map(tuple),
    guard=st.builds(Guard, slow_over_s=st.sampled_from([None, 0.0, 0.5])),
    deadline_s=st.sampled_from([0.0, 0.0, 60.0]),
    on_deadline=st.sampled_from(["rollback", "pause"]),
    hooks=st.lists(st.builds(Hook, on=points, url=st.just("http://ci/x")), max_size=3).map(tuple),
    freeze=st.sampled_from([(), FREEZE]),
    interval_s=st.just(5.0),
    drain_s=st.just(8.0),
    undo_window_s=st.sampled_from([0.0, 60.0]),
    rolling=st.builds(
        Rolling,
        batch=st.integers(1, 3),
        min_ready_s=st.just(4.0),
        slow_start_s=st.sampled_from([0.0, 8.0]),
        ready_timeout_s=st.just(20.0),
        on_unhealthy=st.sampled_from(["pause", "reverse"]),
    ),
)
verdicts = st.one_of(
    st.just(Verdict(Finding.PASS, "well")),
    st.just(Verdict(Finding.PASS, "well")),
    st.builds(
        Verdict,
        st.sampled_from([*Finding]),
        st.just("because"),
        st.fixed_dictionaries(
            {"threshold": st.just(6.9)},
            optional={"log_evidence": st.floats(-5, 30), "candidate_failures": st.integers(0, 3), "holding": st.just(["orders"])},
        ),
    ),
)
FAILED = Verdict(Finding.ROLLBACK, "bad", {"log_evidence": 9.0, "threshold": 6.9})
fingerprints = st.sampled_from(["a", "b"])
verbs = st.sampled_from(["start", "promote", "pause", "resume", "abort", "retry", "switch", "undo"])
health = st.sets(st.sampled_from("abcxyz"), max_size=1)


def levels(position: Position, ill: set[str], busy: set[str]) -> tuple[EndpointLevel, ...]:
    """All endpoints of the two versions, as a measurement has them."""
    return tuple(
        EndpointLevel(version, label, label not in ill, int(label in busy))
        for version in (position.stable, position.candidate)
        for label in ENDPOINTS.get(version, "")
    )


SHOP = Service(
    "shop",
    target="v1",
    versions=tuple(Version(name, tuple(Endpoint(unix=f"/{label}") for label in labels)) for name, labels in ENDPOINTS.items()),
    shadow=Shadow(percent_bp=500),
    fallback=True,
)


def planned(position: Position) -> ServicePlan:
    """All that workers are told of the service while it stands there."""
    return build(intent(SHOP), {"shop": position}, 1).services[0]


def command(position: Position, verb: str, to: str, plan: RolloutPlan, print_: str, *, full: bool, force: bool) -> Command:
    """A verb with all that whoever passes it on adds."""
    in_place = bool(set(ENDPOINTS[to]) & set(ENDPOINTS[position.stable]))
    return Command(verb, "ann", to=to, full=full, plan=plan, fingerprint=print_, force=force, in_place=in_place)  # type: ignore[arg-type]  # drawn from the verbs


class Walk(RuleBasedStateMachine):
    """A service, what the workers were last told, and the history's end."""

    def __init__(self) -> None:
        super().__init__()
        self.position: Position = initial("shop", "v1", "a")
        self.told = planned(self.position)
        self.now = 0.0
        self.weight_recorded = 0

    @initialize(stable=st.sampled_from(VERSIONS))
    def a_version_is_stable(self, stable: str) -> None:
        self.position = initial("shop", stable, "a")
        self.told = planned(self.position)

    def move(self, event: Event) -> None:
        before = self.position
        self.now += 1.0
        self.position, effects = step(before, event, self.now)
        order = [(Record, Publish, Ask).index(type(effect)) for effect in effects]
        assert sorted(order) == order, "records come first, then the publication, then what is asked"
        assert order.count(1) <= 1
        if order:
            assert 0 == order[0], "nothing has an effect that is not recorded"
        if 1 in order:
            self.told = planned(self.position)
        records = [effect for effect in effects if isinstance(effect, Record)]
        self.follow(records)
        if not records:
            places = [(p.phase, p.weight_bp, p.step, p.stable, p.candidate, p.rollout, p.part) for p in (before, self.position)]
            assert places[0] == places[1], "what changes is recorded"
        assert self.position.rollout >= before.rollout
        self.keep_frozen(before, event)
        self.a_version_with_weight_has_endpoints_in_service()
        self.at_rest_and_on_the_way_back_the_candidate_has_nothing()
        self.the_workers_were_told_what_the_position_says()

    def follow(self, records: list[Record]) -> None:
        """The history tells the whole story: each record begins where the one before ended."""
        for record in records:
            assert record.kind in RECORD_KINDS
            assert self.weight_recorded == record.figures["weight_bp_before"] or len(records) > 1
            if record is records[0]:
                assert self.weight_recorded == record.figures["weight_bp_before"]
        if records:
            assert self.position.weight_bp == records[-1].figures["weight_bp"]
            assert self.position.step == records[-1].figures["step"]
        self.weight_recorded = self.position.weight_bp

    def keep_frozen(self, before: Position, event: Event) -> None:
        """In a freeze no rollout gives the candidate more, but by force, or on the way to what was stable before."""
        after, freeze = self.position, self.position.plan.freeze
        if isinstance(event, Command):
            if event.force:
                return
            if event.verb == "switch" and event.plan is not None:
                freeze = event.plan.freeze  # it goes by what is configured now
        if frozen_until(freeze, self.now) is None:
            return
        if before.forced and (before.asking or before.plan.strategy == "rolling"):
            return  # by force still, on the way into the step it was said for
        way_back = after.candidate in (before.previous, before.stable) or after.phase in (*RESTING, Phase.ROLLING_BACK)
        if not way_back and not before.moving and not after.moving:
            assert after.weight_bp <= before.weight_bp or after.rollout != before.rollout
            assert after.weight_bp == 0 or after.rollout == before.rollout

    @rule(named=st.sampled_from(VERSIONS), print_=fingerprints, plan=plans, known=st.booleans())
    def the_configuration_names(self, named: str, print_: str, plan: RolloutPlan, known: bool) -> None:
        self.move(TargetSet(named, print_, plan, "git", dict.fromkeys(VERSIONS, print_) if known else {}))

    @rule(plan=plans)
    def a_reload_says_nothing_new(self, plan: RolloutPlan) -> None:
        before = self.position
        if before.target == before.configured:
            self.move(TargetSet(before.target, before.fingerprint, plan))
            assert planned(before) == planned(self.position)
            assert (before.phase, before.step, before.asking) == (self.position.phase, self.position.step, self.position.asking)

    @rule(dt_s=st.floats(0, 10), requests=st.integers(0, 30), verdict=verdicts, ill=health, busy=health)
    def it_is_measured(self, dt_s: float, requests: int, verdict: Verdict, ill: set[str], busy: set[str]) -> None:
        before = self.position
        self.move(Measured(dt_s, requests, verdict, levels(before, ill, busy), 0.2 if ill else 0.3))
        if verdict.finding is Finding.ROLLBACK and before.phase not in (*RESTING, Phase.ROLLING_BACK):
            assert Phase.ROLLING_BACK is self.position.phase

    @precondition(lambda self: self.position.phase not in RESTING)
    @rule()
    def all_goes_well_for_a_while(self) -> None:
        for _ in range(4):
            self.move(Measured(5.0, 20, Verdict(Finding.PASS, "well"), levels(self.position, set(), set()), 0.3))

    @precondition(lambda self: self.position.stable == "v1")
    @rule(looks=st.integers(1, 40), print_=fingerprints, slow_start_s=st.sampled_from([0.0, 8.0]))
    def instances_are_replaced_for_a_while_and_it_goes_wrong(self, looks: int, print_: str, slow_start_s: float) -> None:
        hooks = (Hook("before_step", "http://ops/x"), Hook("after_rollback", "http://ops/x"))
        parts = Rolling(batch=1, min_ready_s=2.0, slow_start_s=slow_start_s)
        self.move(TargetSet("v2", print_, RolloutPlan(strategy="rolling", steps=(), rolling=parts, hooks=hooks)))
        for _ in range(looks):
            self.move(Heard(self.position.asking, True, "replaced"))
            self.move(Measured(2.0, 20, Verdict(Finding.PASS, "well"), levels(self.position, set(), set()), 0.3))
            self.move(Applied(1, 0.1))
        self.move(Measured(1.0, 20, FAILED, levels(self.position, set(), set()), 0.3))
        self.move(Applied(1, 0.1))

    @rule(ok=st.sampled_from([True, True, True, False]))
    def what_is_asked_is_answered(self, ok: bool) -> None:
        self.move(Heard(self.position.asking or "1/0/before_step", ok, "because"))

    @rule(key=st.sampled_from(["1/0/before_rollout", "2/1/gate", ""]))
    def somebody_answers_late(self, key: str) -> None:
        before = self.position
        self.move(Heard(key, False, "late"))
        assert before == self.position or key == before.asking

    @rule()
    def every_worker_acknowledges(self) -> None:
        self.move(Applied(1, 0.1))

    @rule(seconds=st.sampled_from([30.0, 240.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(verb=verbs, to=st.sampled_from(VERSIONS), full=st.booleans(), plan=plans, print_=fingerprints, force=st.booleans())
    def an_operator_says(self, verb: str, to: str, full: bool, plan: RolloutPlan, print_: str, force: bool) -> None:
        before = self.position
        try:
            self.move(command(before, verb, to, plan, print_, full=full, force=force))
        except IllegalTransition:
            assert before is self.position
        else:
            assert verb in possible(before.phase)

    @invariant()
    def the_phase_is_one_of_the_tables(self) -> None:
        assert self.position.phase in {phase for phase, _ in TABLE}

    @invariant()
    def the_weight_is_nothing_everything_or_what_a_step_asked_for(self) -> None:
        position = self.position
        asked = {each.weight_bp for each in position.plan.steps if isinstance(each, WeightStep) and position.plan.strategy == "canary"}
        if position.plan.strategy == "rolling" and position.endpoints != (0, 0):
            asked |= {
                rolling.weight_bp(replace(position, moved=moved, moving=moving, part=part, step_elapsed_s=elapsed_s))
                for moved in range(4)
                for moving in range(4 - moved)
                for part in ("", "ready", "slow_start")
                for elapsed_s in (0.0, 2.0, 4.0, 6.0)
            }
        assert position.weight_bp in {0, WEIGHT_BP_MAX} | asked

    @invariant()
    def at_rest_and_on_the_way_back_the_candidate_has_nothing(self) -> None:
        position = self.position
        if position.phase in RESTING or (position.phase is Phase.ROLLING_BACK and not position.moved and not position.moving):
            assert 0 == position.weight_bp

    @invariant()
    def a_version_with_weight_has_endpoints_in_service(self) -> None:
        position = self.position
        old, new = rolling.in_service(position, ENDPOINTS[position.stable], ENDPOINTS.get(position.candidate, ""))
        assert old or position.weight_bp == WEIGHT_BP_MAX
        assert new or position.weight_bp == 0

    @invariant()
    def a_promotion_gives_everything(self) -> None:
        if self.position.phase is Phase.PROMOTING:
            assert WEIGHT_BP_MAX == self.position.weight_bp

    @invariant()
    def shadow_and_preview_give_nothing(self) -> None:
        position = self.position
        if position.phase is Phase.SHADOWING or position.plan.strategy == "shadow":
            assert 0 == position.weight_bp or position.phase is Phase.PROMOTING

    @invariant()
    def the_candidate_is_never_stable(self) -> None:
        assert self.position.candidate != self.position.stable

    @invariant()
    def the_workers_were_told_what_the_position_says(self) -> None:
        assert self.told == planned(self.position)

    @invariant()
    def it_always_says_what_it_waits_for(self) -> None:
        assert waiting_for(self.position, 1.0, now=self.now)
        assert all(ask.key == self.position.asking for ask in open_question(self.position))


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_random_events_never_leave_the_table = Walk.TestCase


# ---- crashes --------------------------------------------------------------------------------------------------------------------

GOOD = Verdict(Finding.PASS, "well")


class Look:
    """In a script: a measurement, whose endpoints are those of the position it meets."""

    def __init__(self, dt_s: float, verdict: Verdict, ill: frozenset[str]) -> None:
        self.dt_s, self.verdict, self.ill = dt_s, verdict, ill

    def __repr__(self) -> str:
        return f"Look({self.dt_s}, {self.verdict.finding}, {set(self.ill)})"


def looked(world: World, look: Look) -> Measured:
    return Measured(look.dt_s, 20, look.verdict, levels(world.position, set(look.ill), set()), 0.3)


class Said:
    """In a script: a verb, passed on with what its position adds."""

    def __init__(self, verb: str, to: str, plan: RolloutPlan) -> None:
        self.verb, self.to, self.plan = verb, to, plan

    def __repr__(self) -> str:
        return f"Said({self.verb}, {self.to})"


def configured(target: str, print_: str, plan: RolloutPlan) -> TargetSet:
    """What a configuration says, of all of its versions."""
    return TargetSet(target, print_, plan, versions=dict.fromkeys(VERSIONS, print_))


happenings: st.SearchStrategy[Any] = st.one_of(
    st.builds(Look, st.sampled_from([1.0, 5.0]), st.just(GOOD), st.just(frozenset())),
    st.builds(Look, st.just(5.0), st.just(GOOD), st.just(frozenset())),
    st.builds(Look, st.just(5.0), st.sampled_from([GOOD, GOOD, FAILED]), st.frozensets(st.sampled_from("abcxyz"), max_size=1)),
    st.builds(Answer, st.sampled_from([True, True, True, False])),
    st.just(Answer(True)),
    st.builds(configured, st.sampled_from(VERSIONS), fingerprints, plans),
    st.builds(Said, verbs, st.sampled_from(VERSIONS), plans),
)


def played(first: TargetSet, script: list[Any], crash_at: int | None = None) -> World:
    world = World(configured("v1", "a", first.plan), crash_at=crash_at)
    now = 0.0
    for happening in [first, *script]:
        now += 7.0
        event: Scripted = happening
        if isinstance(happening, Look):
            event = looked(world, happening)
        elif isinstance(happening, Said):
            event = command(
                world.position, happening.verb, happening.to, happening.plan, world.configured.fingerprint, full=False, force=False
            )
        world.play([(now, event)])
    return world


def rested(position: Position) -> Position:
    """A start brings the configuration's present plan to a service at rest, as a reload does; nothing else may differ."""
    return replace(position, plan=RolloutPlan()) if position.phase in RESTING else position


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.builds(configured, st.just("v2"), fingerprints, plans), script=st.lists(happenings, min_size=4, max_size=14))
def test_a_crash_at_any_boundary_ends_in_the_same_history(first: TargetSet, script: list[Any]) -> None:
    whole = played(first, script)
    for boundary in range(whole.boundaries):
        crashed = played(first, script, boundary)

        assert whole.history == crashed.history, boundary
        assert [rested(p) for p in whole.positions] == [rested(p) for p in crashed.positions], boundary
        assert rested(whole.position) == rested(crashed.position), boundary
        assert (whole.told, set(whole.asked)) == (crashed.told, set(crashed.asked)), boundary
