"""What the machine does with measurements: the handlers of ``measured``, and what hooks, gates and workers answer.

The order is that of what matters more: the guard and the checks, then the deadline, then the step.
"""

from __future__ import annotations

from msgspec.structs import replace

from proxy import limits
from proxy.model.position import Finding, Phase, Position, Verdict
from proxy.rollout import batches, entering, moves
from proxy.rollout.events import Applied, Event, Heard, Measured
from proxy.rollout.freeze import frozen_until
from proxy.rollout.moves import Outcome
from proxy.rollout.strategies import strategy_of
from proxy.rollout.words import duration


def when_progressing(position: Position, event: Measured, now: float) -> Outcome:
    """A step goes on, in weight or in shadow, or waits at a door: count, judge, and go to the next when all is there."""
    assert event.dt_s >= 0, "time does not go back"
    assert event.candidate_requests >= 0, "measurements are differences"
    after, frozen = _counted(position, event, now)
    verdict = event.verdict
    if verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(after, why=verdict.reason, figures=verdict.figures)
    if verdict.finding is Finding.PAUSE and _alarms(position, verdict):
        return _pause_by_guard(after, verdict)
    if 0 < after.plan.deadline_s <= after.elapsed_s and not after.overdue:
        after = replace(after, overdue=True)  # once: whoever resumes a rollout has seen that it is late
        end = moves.pause if after.plan.on_deadline == "pause" else moves.roll_back
        return end(after, why=f"not promoted within {duration(after.plan.deadline_s)}", figures=verdict.figures)
    if position.asking:
        if not frozen and entering.door_of(position) in (entering.START, entering.FREEZE, entering.READY):
            return moves.arrived(after, entering.go_on(after, now), why="the freeze is over")
        return after, ()
    if strategy_of(position).IN_BATCHES:
        return batches.look(after, event, now, frozen=frozen, silent=silent(verdict))
    if frozen or not (strategy_of(after).is_done(after) and silent(verdict)):
        return after, ()
    why = f"{strategy_of(after).done(after)}: {verdict.reason}"
    return moves.advance(after, after.step + 1, now, why=why, figures=verdict.figures, slow_over_s=event.slow_over_s)


def when_paused(position: Position, event: Measured, now: float) -> Outcome:
    """A person holds it: only the guard is heard, and seen whether a preview is healthy still."""
    verdict = event.verdict
    position = _warmed(position, event)
    if not position.asking and position.step >= len(position.plan.steps):
        position = strategy_of(position).observe(position, event)  # nobody's time, but a break is one whoever holds it
    if verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(position, why=verdict.reason, figures=verdict.figures)
    if verdict.finding is not Finding.PAUSE:
        return position, ()
    if _alarms(position, verdict):
        return _pause_by_guard(position, verdict)
    # The person who resumes has seen the evidence of that moment, not only that of the pause.
    return replace(position, guard_floor=max(position.guard_floor, verdict.figures.get("log_evidence", 0.0))), ()


def when_promoting(position: Position, event: Measured, now: float) -> Outcome:
    """A promotion was decided: only a rollback may still come before it."""
    if event.verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(position, why=event.verdict.reason, figures=event.verdict.figures)
    return position, ()


def when_rolling_back(position: Position, event: Measured, now: float) -> Outcome:
    """Late counts change nothing; endpoints that were replaced go on going back."""
    if position.moved or position.moving:
        return batches.look_back(position, event, now)
    return position, ()


def _counted(position: Position, event: Measured, now: float) -> tuple[Position, bool]:
    """With the time and the requests that count, and whether a freeze is all that it waits for: then no time is the rollout's."""
    strategy = strategy_of(position)
    position = _warmed(position, event)
    freeze = frozen_until(position.plan.freeze, now) is not None
    after = replace(position, elapsed_s=position.elapsed_s + event.dt_s)
    if position.asking:
        waits = freeze and entering.door_of(position) in (entering.START, entering.FREEZE, entering.READY)
        return (position if waits else after), freeze
    requests = position.step_requests + event.candidate_requests
    after = replace(after, step_elapsed_s=position.step_elapsed_s + event.dt_s, step_requests=requests)
    after = strategy.observe(after, event)
    if freeze and strategy.is_done(after):
        after = replace(after, elapsed_s=position.elapsed_s)
    return after, freeze


def _warmed(position: Position, event: Measured) -> Position:
    """Who answers anybody warms up, whoever's time it is; counted no further than it matters, lest a pause be days of progress."""
    serves = position.weight_bp > 0 or position.phase is Phase.SHADOWING
    return replace(position, warmed_s=min(limits.WARM_UP_S, position.warmed_s + event.dt_s)) if serves else position


def _alarms(position: Position, verdict: Verdict) -> bool:
    """Whether a PAUSE says more than the last one did. One that gives no evidence does so once, while progressing."""
    evidence = verdict.figures.get("log_evidence")
    if evidence is None:
        return position.phase is not Phase.PAUSED
    return bool(evidence >= position.guard_floor + verdict.figures["threshold"])


def _pause_by_guard(position: Position, verdict: Verdict) -> Outcome:
    noted = replace(position, guard_floor=verdict.figures.get("log_evidence", position.guard_floor))
    return moves.pause(noted, why=verdict.reason, figures=verdict.figures)


def silent(verdict: Verdict) -> bool:
    """Whether judges let a step end: nothing against the candidate, or no failure to judge, or a pause that was overruled.

    A check that does not pass lets no step end (``holding``).
    """
    if verdict.figures.get("holding"):
        return False
    if verdict.finding is Finding.HOLD:
        return not verdict.figures.get("candidate_failures", 0)
    return True


# ---- what hooks and gates answer ------------------------------------------------------------------------------------------------


def _is_asked(position: Position, event: Heard) -> bool:
    """Whether this is the answer that the position waits for. A freeze is no question, whatever anybody answers to it."""
    return any(event.key == ask.key for ask in entering.open_question(position))


def heard_when_progressing(position: Position, event: Heard, now: float) -> Outcome:
    """At its door: a gate that says yes, or hooks that did, lead on; a hook that fails ends the rollout."""
    if not _is_asked(position, event):
        return position, ()
    if position.part:
        return batches.heard(position, event)
    if entering.door_of(position) == entering.GATE:
        if not event.ok:
            return replace(position, reason=event.reason), ()
        return moves.advance(position, position.step + 1, now, why=event.reason, figures=event.figures)
    if not event.ok:
        return moves.roll_back(position, why=event.reason, figures=event.figures)
    return moves.arrived(position, entering.answered(position, now), why=event.reason, figures=event.figures)


def heard_when_paused(position: Position, event: Heard, now: float) -> Outcome:
    """A hook that failed ends the rollout; one that answered well is remembered. A gate is asked again when the pause is over."""
    if not _is_asked(position, event) or entering.door_of(position) == entering.GATE:
        return position, ()
    if not event.ok:
        return moves.roll_back(position, why=event.reason, figures=event.figures)
    if position.part:
        return batches.heard(position, event)
    after, asks = entering.answered_in_pause(position)
    return after, (moves.note("hook", event.reason, position, after, figures=event.figures), *asks)


def heard_when_resting(position: Position, event: Heard, now: float) -> Outcome:
    """What the hooks said that are told of an end: into the history, and nothing else."""
    if not _is_asked(position, event):
        return position, ()
    after = replace(position, asking="")
    return after, (moves.note("hook", event.reason, position, after, figures={**event.figures, "ok": event.ok}),)


def heard_when_rolling_back(position: Position, event: Heard, now: float) -> Outcome:
    """What brings endpoints back has answered."""
    return batches.heard(position, event) if _is_asked(position, event) else (position, ())


# ---- every worker serves what was asked for -------------------------------------------------------------------------------------


def rollback_applied(position: Position, event: Applied, now: float) -> Outcome:
    """The candidate is out everywhere, unless its endpoints are still on their way back."""
    if position.moved or position.moving:
        return position, ()
    return moves.settle_rolled_back(position, event, now)


def promotion_applied(position: Position, event: Applied, now: float) -> Outcome:
    """The candidate has everything everywhere."""
    return moves.settle_promoted(position, event, now)


def nothing(position: Position, event: Event, now: float) -> Outcome:
    """It happens here and changes nothing: late counts and answers, and acknowledgements of reloads and of steps."""
    return position, ()
