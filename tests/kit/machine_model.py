"""The rollout machine in a world of its own: a store, a loop, workers and hooks as a model, which can crash at every boundary.

What a process does with a move is four acts: keep it, publish it, ask what it asks, and hear that the publication is in force.
``World`` can end the process before, between and after them. What it starts with again is what the store has; whoever had no answer
says it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from proxy.model.position import Position, Record
from proxy.rollout.events import Applied, Ask, Event, Heard, Publish, TargetSet
from proxy.rollout.machine import IllegalTransition, initial, open_question, step
from proxy.rollout.moves import served


class Crash(Exception):
    """The process has ended."""


class Keeper(Protocol):
    """What the model needs of a store."""

    def decide(self, position: Position, records: Sequence[Record], now: float, tally_json: dict[str, Any] | None) -> list[int]: ...
    def progress(self, position: Position, tally_json: dict[str, Any] | None) -> None: ...
    def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]: ...


class Memory:
    """A store that keeps what it is given: a decision whole or not at all."""

    def __init__(self) -> None:
        self.positions: dict[str, tuple[Position, dict[str, Any] | None]] = {}

    def decide(self, position: Position, records: Sequence[Record], now: float, tally_json: dict[str, Any] | None) -> list[int]:
        """Keep a decision."""
        self.positions[position.service] = (position, tally_json)
        return []

    def progress(self, position: Position, tally_json: dict[str, Any] | None) -> None:
        """Keep how far it has got."""
        self.positions[position.service] = (position, tally_json)

    def load(self) -> dict[str, tuple[Position, dict[str, Any] | None]]:
        """What was kept."""
        return dict(self.positions)


class Answer:
    """In a script: what is being asked is answered, if anything is."""

    def __init__(self, ok: bool) -> None:
        self.ok = ok

    def __repr__(self) -> str:
        return f"Answer({self.ok})"


Scripted = Event | Answer


class World:
    """One service, from its first target on. ``crash_at`` is the boundary at which the process ends, once (None: never)."""

    def __init__(self, configured: TargetSet, keeper: Keeper | None = None, *, crash_at: int | None = None) -> None:
        self.keeper: Keeper = keeper or Memory()
        self.configured = configured
        self.crash_at = crash_at
        self.boundaries = 0
        """How many there were so far."""
        self.history: list[Record] = []
        self.positions: list[Position] = []
        """After each record of the history."""
        self.asked: list[str] = []
        self.questions: dict[str, Ask] = {}
        self.told: tuple[object, ...] = ()
        self.position = initial("shop", configured.target, configured.fingerprint)
        self.pending = True
        self.keeper.decide(self.position, (), 0.0, None)
        self.told = served(self.position)

    def play(self, script: Iterable[tuple[float, Scripted]]) -> None:
        """One event after the other, each at its time. A crash is survived, and what was being said is said again if it was lost."""
        for now, event in script:
            kept = len(self.history)
            try:
                self._happen(event, now)
            except Crash:
                self._start_again(now)
                if len(self.history) == kept and not self._went_on:
                    self._happen(event, now)

    def _happen(self, event: Scripted, now: float) -> None:
        self._went_on = False
        if isinstance(event, TargetSet):
            self.configured = event
        if isinstance(event, Answer):
            question = self.questions.get(self.position.asking)
            if question is None:
                return
            event = Heard(question.key, event.ok, f"{question.point} answered", {})
        try:
            self._enter(event, now)
        except IllegalTransition:
            return
        self._acknowledge(now)

    def _enter(self, event: Event, now: float) -> None:
        after, effects = step(self.position, event, now)
        records = [effect for effect in effects if isinstance(effect, Record)]
        self._boundary()  # decided, and nobody knows it
        if effects:
            self.keeper.decide(after, records, now, None)
        else:
            self.keeper.progress(after, None)
        self._went_on = True
        self.history += records
        self.positions += [after] * len(records)
        if not effects:
            self.position = after
            return
        self._boundary()  # kept, and not in force
        self.position = after
        if any(isinstance(effect, Publish) for effect in effects):
            self.told, self.pending = served(after), True
        self.pending = self.pending or after.phase in ("promoting", "rolling_back")
        self._boundary()  # in force, and nobody was asked
        for effect in effects:
            if isinstance(effect, Ask):
                self._ask(effect)
                self._boundary()

    def _acknowledge(self, now: float) -> None:
        while self.pending:
            self.pending = False
            self._enter(Applied(1, 0.0), now)

    def _ask(self, ask: Ask) -> None:
        self.questions[ask.key] = ask
        self.asked.append(ask.key)

    def _boundary(self) -> None:
        at, self.boundaries = self.boundaries, self.boundaries + 1
        if at == self.crash_at:
            raise Crash

    def _start_again(self, now: float) -> None:
        """As the control loop does: the stored position, the configuration's say, its publication, and what it still asks."""
        went_on = self._went_on
        self.position = self.keeper.load()["shop"][0]
        self.questions.clear()
        self._enter(self.configured, now)
        self.told, self.pending = served(self.position), True
        for ask in open_question(self.position):
            self._ask(ask)
        self._acknowledge(now)
        self._went_on = went_on
