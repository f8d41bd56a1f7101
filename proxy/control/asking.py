"""What the machine asks of the world: hooks of a point of a rollout, and remote gates. Asked aside, heard by the loop as an event.

Hooks are called in the order of the plan, each tried ``1 + retries`` times; the first that fails ends the row. A remote gate is asked
until it answers 2xx, and so is never heard to fail: the rollout's deadline bounds it. A question nobody waits for any more is given up.
After a crash a question is asked again under the same key, so whoever is asked can tell. Knows nothing of phases, and decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from proxy import limits
from proxy.clock import Clock
from proxy.control.calling import Answer, CallFailed, Client, bearer, one_line
from proxy.model.position import Phase, Position
from proxy.model.rollout import GateStep, Hook
from proxy.model.url import shown
from proxy.rollout.entering import open_question
from proxy.rollout.events import Ask, Heard
from proxy.rollout.strategies import strategy_of
from proxy.tasks import TaskGroup

TELLING: Final = ("after_promotion", "after_rollback")
"""Points whose hooks nothing waits for: what they answer is only recorded."""

Hear = Callable[[str, Heard], Awaitable[bool]]
"""Have the loop act on what a service's question came to; False when it could not now."""

Say = Callable[[str, str, str], None]
"""Tell people: kind, service, text."""

Sleep = Callable[[float], Awaitable[None]]


def point_of(key: str) -> str:
    """The point, or ``gate``, that a key ends with."""
    return key.rpartition("/")[2]


def rollout_asked(key: str) -> int:
    """The number of the rollout that a key begins with."""
    return int(key.partition("/")[0])


def question_of(position: Position) -> Ask | None:
    """What a service that stands here has asked and not heard the answer of; None when it waits for nobody outside.

    A person who holds the rollout holds no question: what is answered meanwhile is kept.
    """
    return next(iter(open_question(position)), None)


def question(position: Position, ask: Ask) -> dict[str, Any]:
    """What a hook or a gate is sent, as JSON values. ``step`` counts from 0, as in the API; weights are percent of the traffic.

    ``weight`` is what the candidate has now, ``next_weight`` what it gets when the answer is good. In a rolling rollout ``leaving`` and
    ``coming`` are the endpoints of the batch: those out of service, and those that are to run ``to`` when the answer is good.
    """
    weight_bp = after = position.weight_bp
    if ask.point.startswith("before_"):
        after = strategy_of(position).next_step(position, position.step).weight_bp
    previous, stable = position.previous, position.stable
    was, becomes = (previous or stable, stable) if ask.point == "after_promotion" else (stable, position.candidate)
    if position.phase is Phase.ROLLING_BACK:  # only batches ask on the way back
        was, becomes, after = position.candidate, stable, weight_bp
    batch = {"leaving": list(position.leaving), "coming": list(position.coming)} if position.part else {}
    return {
        **batch,
        "service": position.service,
        "rollout": position.rollout,
        "from": was,
        "to": becomes,
        "step": position.step,
        "weight": weight_bp / 100,
        "next_weight": after / 100,
        "point": ask.point,
        "key": ask.key,
    }


class _Question:
    """One under way. ``says`` is what came of it so far, for people."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.says = ""
        self.task: asyncio.Task[None] | None = None


class Asking:
    """Every question under way, by service and key."""

    def __init__(self, client: Client, tasks: TaskGroup, clock: Clock, hear: Hear, say: Say, *, sleep: Sleep = asyncio.sleep) -> None:
        self._client = client
        self._tasks = tasks
        self._clock = clock
        self._hear = hear
        self._say = say
        self._sleep = sleep
        self._room = asyncio.Semaphore(limits.CALLS_IN_FLIGHT_MAX)
        self._questions: dict[str, dict[str, _Question]] = {}

    def ask(self, position: Position, ask: Ask) -> None:
        """Begin to ask; what is being asked already is not asked twice."""
        questions = self._questions.setdefault(position.service, {})
        if ask.key in questions:
            return
        telling = [key for key in questions if point_of(key) in TELLING]
        if ask.point in TELLING and len(telling) >= limits.HOOKS_TELLING_MAX:
            text = f"{telling[0]} has no answer yet, and {limits.HOOKS_TELLING_MAX} are all that may be waited for: it is given up"
            self._say("hook_given_up", position.service, text)
            self._give_up(position.service, telling[0])
        asked = questions[ask.key] = _Question(ask)
        asked.task = self._tasks.spawn(self._run(position, asked), name=f"ask {position.service} {ask.key}")

    def follow(self, position: Position) -> None:
        """Give up what ``position`` does not wait for any more."""
        for key in [k for k in self._questions.get(position.service, ()) if k != position.asking and point_of(k) not in TELLING]:
            self._give_up(position.service, key)

    def keep(self, services: set[str]) -> None:
        """Give up all questions of services that are none any more."""
        for service in self._questions.keys() - services:
            for key in list(self._questions[service]):
                self._give_up(service, key)

    def says(self, service: str, key: str) -> str:
        """How a question stands, for people; empty when there is nothing to tell yet."""
        asked = self._questions.get(service, {}).get(key)
        return asked.says if asked is not None else ""

    def _give_up(self, service: str, key: str) -> None:
        asked = self._questions[service].pop(key)
        assert asked.task is not None
        asked.task.cancel()
        if not self._questions[service]:
            del self._questions[service]

    async def _run(self, position: Position, asked: _Question) -> None:
        service, ask = position.service, asked.ask
        body = msgspec.json.encode(question(position, ask))
        if ask.point == "gate":
            step = position.plan.steps[position.step]
            assert isinstance(step, GateStep), "the machine asks for the gate of its step"
            heard = await self._gate(service, asked, step, body)
        else:
            heard = await self._hooks(service, asked, [hook for hook in position.plan.hooks if hook.on == ask.point], body)
        while not await self._hear(service, heard):
            await self._sleep(limits.HEARD_AGAIN_S)
        if self._questions.get(service, {}).get(ask.key) is asked:
            del self._questions[service][ask.key]

    # ---- gates ----------------------------------------------------------------------------------------------------------------

    async def _gate(self, service: str, asked: _Question, step: GateStep, body: bytes) -> Heard:
        name, told, times, since = f"gate {shown(step.url)}", set[str](), 0, self._clock.now()
        while True:
            began = self._clock.now()
            outcome, answer = await self._post(step.url, "", step.timeout_s, body)
            times += 1
            if answer is not None and answer.good:
                figures = _figures(name, step.url, answer, times, self._clock.now() - since)
                return Heard(key=asked.ask.key, ok=True, reason=f"{name} {outcome}", figures={"calls": [figures]})
            asked.says = f"{name} {outcome}"
            if outcome not in told:  # each once, or a gate that changes its mind at every interval would fill the log
                self._say("gate_closed", service, f"{asked.says}; it is asked every {step.interval_s:g} s")
            told.add(outcome)
            await self._sleep(max(0.0, step.interval_s - (self._clock.now() - began)))

    # ---- hooks ----------------------------------------------------------------------------------------------------------------

    async def _hooks(self, service: str, asked: _Question, hooks: list[Hook], body: bytes) -> Heard:
        calls: list[dict[str, Any]] = []
        told = "no hook is configured here"
        for hook in hooks:
            ok, told, figures = await self._hook(service, asked, hook, body)
            calls.append(figures)
            if not ok:
                return Heard(key=asked.ask.key, ok=False, reason=told, figures={"calls": calls})
        reason = told if len(hooks) < 2 else f"{len(hooks)} hooks answered 2xx"
        return Heard(key=asked.ask.key, ok=True, reason=reason, figures={"calls": calls})

    async def _hook(self, service: str, asked: _Question, hook: Hook, body: bytes) -> tuple[bool, str, dict[str, Any]]:
        """Whether it answered 2xx in the end, a sentence, and the figures of its last try."""
        name, tries, since, pause_s = (
            f"hook {hook.name or shown(hook.url)}",
            1 + hook.retries,
            self._clock.now(),
            limits.CALL_RETRY_S_MIN,
        )
        for number in range(1, tries + 1):
            asked.says = asked.says or f"{name} has not answered yet"
            outcome, answer = await self._post(hook.url, hook.token_file, hook.timeout_s, body)
            told = f"{name} {outcome}" + (f" ({number} tries)" if number > 1 else "")
            ok = answer is not None and answer.good
            if ok or number == tries:
                break
            asked.says = f"{name} {outcome} (try {number} of {tries})"
            self._say("hook_retried", service, asked.says)
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, limits.CALL_RETRY_S_MAX)
        asked.says = ""
        said = one_line(answer.body, limits.HOOK_SAID_CHARS_MAX) if answer is not None else ""
        if not ok and said:
            told += f": {said[:120]}"
        return ok, told, _figures(hook.name, hook.url, answer, number, self._clock.now() - since)

    async def _post(self, url: str, token_file: str, timeout_s: float, body: bytes) -> tuple[str, Answer | None]:
        """What happened, in a clause, and the answer if there was one."""
        try:
            headers = {"Content-Type": "application/json", **await bearer(token_file)}
            async with self._room:
                answer = await self._client.call(
                    "POST", url, timeout_s=timeout_s, bytes_max=limits.HOOK_ANSWER_BYTES_MAX, headers=headers, body=body
                )
        except CallFailed as failed:
            return str(failed), None
        redirects = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
        return f"answered {answer.status}{redirects}", answer


def _figures(name: str, url: str, answer: Answer | None, tries: int, took_s: float) -> dict[str, Any]:
    """What the history keeps of a call. ``status`` is None without an answer; ``said`` is the answer's start."""
    return {
        "name": name,
        "url": shown(url),
        "status": answer.status if answer is not None else None,
        "said": one_line(answer.body, limits.HOOK_SAID_CHARS_MAX) if answer is not None else "",
        "tries": tries,
        "took_s": round(took_s, 3),
    }
