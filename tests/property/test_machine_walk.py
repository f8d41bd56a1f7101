"""Random events in any order: the machine never leaves its table, and what it promises of weights and effects holds at every move."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.model.position import WEIGHT_BP_MAX, Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.rollout.machine import (
    TABLE,
    Applied,
    Command,
    Event,
    IllegalTransition,
    Measured,
    Publish,
    TargetSet,
    initial,
    possible,
    step,
)

VERSIONS = ("v1", "v2", "v3")
RESTING = (Phase.STABLE, Phase.ROLLED_BACK)

steps = st.one_of(
    st.builds(WeightStep, weight_bp=st.integers(1, WEIGHT_BP_MAX), for_s=st.sampled_from([0.0, 5.0]), min_requests=st.integers(0, 20)),
    st.just(GateStep()),
)
plans = st.builds(
    RolloutPlan,
    steps=st.lists(steps, max_size=4).map(tuple),
    deadline_s=st.sampled_from([0.0, 20.0]),
    on_deadline=st.sampled_from(["rollback", "pause"]),
)
verdicts = st.builds(
    Verdict,
    st.sampled_from([*Finding, Finding.PASS, Finding.PASS]),
    st.just("because"),
    st.fixed_dictionaries(
        {"threshold": st.just(6.9)}, optional={"log_evidence": st.floats(-5, 30), "candidate_failures": st.integers(0, 3)}
    ),
)
fingerprints = st.sampled_from(["a", "b"])
verbs = st.sampled_from(["start", "promote", "pause", "resume", "abort", "retry"])


class Walk(RuleBasedStateMachine):
    """A service, the weights some plan asked for, and what the workers were last told."""

    def __init__(self) -> None:
        super().__init__()
        self.position: Position = initial("shop", "v1", "a")
        self.told = self.served()
        self.now = 0.0

    def served(self) -> tuple[str, str, int, int]:
        """All that a published plan has of a position."""
        at = self.position
        candidate = "" if at.phase in RESTING else at.candidate
        return at.stable, candidate, at.weight_bp, at.rollout if candidate else 0

    def move(self, event: Event) -> None:
        before = self.position
        self.now += 1.0
        self.position, effects = step(before, event, self.now)
        is_publish = [isinstance(effect, Publish) for effect in effects]
        assert sorted(is_publish) == is_publish, "a record comes before the publication"
        assert sum(is_publish) <= 1
        if any(is_publish):
            assert isinstance(effects[0], Record), "nothing is published that is not recorded"
            self.told = self.served()
        if (before.phase, before.weight_bp, before.step) != (self.position.phase, self.position.weight_bp, self.position.step):
            assert effects or before.step == len(before.plan.steps), "a change of phase, step or weight is recorded"
        assert self.position.rollout >= before.rollout

    @rule(named=st.sampled_from(VERSIONS), print_=fingerprints, plan=plans, known=st.booleans())
    def the_configuration_names(self, named: str, print_: str, plan: RolloutPlan, known: bool) -> None:
        self.move(TargetSet(named, print_, plan, "git", dict.fromkeys(VERSIONS, print_) if known else {}))

    @rule(plan=plans)
    def a_reload_says_nothing_new(self, plan: RolloutPlan) -> None:
        before = self.position
        if before.target == before.configured:
            self.move(TargetSet(before.target, before.fingerprint, plan))
            assert (before.phase, before.weight_bp, before.step) == (self.position.phase, self.position.weight_bp, self.position.step)

    @rule(dt_s=st.floats(0, 10), requests=st.integers(0, 30), verdict=verdicts)
    def it_is_measured(self, dt_s: float, requests: int, verdict: Verdict) -> None:
        before = self.position
        self.move(Measured(dt_s, requests, verdict))
        if verdict.finding is Finding.ROLLBACK and before.phase not in (*RESTING, Phase.ROLLING_BACK):
            assert (Phase.ROLLING_BACK, 0) == (self.position.phase, self.position.weight_bp)

    @rule()
    def every_worker_acknowledges(self) -> None:
        self.move(Applied(1, 0.1))

    @rule(verb=verbs, to=st.sampled_from(VERSIONS), full=st.booleans(), plan=plans, print_=fingerprints)
    def an_operator_says(self, verb: str, to: str, full: bool, plan: RolloutPlan, print_: str) -> None:
        before = self.position
        try:
            self.move(Command(verb, "ann", to=to, full=full, plan=plan, fingerprint=print_))  # type: ignore[arg-type]  # drawn from the verbs
        except IllegalTransition:
            assert before is self.position
        else:
            assert verb in possible(before.phase)

    @precondition(lambda self: self.position.phase is Phase.PROGRESSING)
    @rule()
    def the_step_is_served_well(self) -> None:
        self.move(Measured(5.0, 20, Verdict(Finding.PASS, "well")))

    @invariant()
    def the_phase_is_one_of_the_tables(self) -> None:
        assert self.position.phase in {phase for phase, _ in TABLE}

    @invariant()
    def the_weight_is_nothing_everything_or_what_a_step_asked_for(self) -> None:
        asked = {each.weight_bp for each in self.position.plan.steps if isinstance(each, WeightStep)}
        assert self.position.weight_bp in {0, WEIGHT_BP_MAX} | asked

    @invariant()
    def at_rest_and_on_the_way_back_the_candidate_has_nothing(self) -> None:
        if self.position.phase in (*RESTING, Phase.ROLLING_BACK):
            assert 0 == self.position.weight_bp

    @invariant()
    def everything_is_only_given_by_promotion_or_by_a_step(self) -> None:
        if self.position.phase is Phase.PROMOTING:
            assert WEIGHT_BP_MAX == self.position.weight_bp

    @invariant()
    def the_candidate_is_never_stable(self) -> None:
        assert self.position.candidate != self.position.stable

    @invariant()
    def the_workers_were_told_what_the_position_says(self) -> None:
        assert self.told == self.served()


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_random_events_never_leave_the_table = Walk.TestCase
