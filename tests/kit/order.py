"""Whether a switch was atomic, seen from outside: what clients sent when, and which version answered them when.

The property, for a switch from an old version to a new one: no request that was sent after the new version's first answer had arrived
is answered by the old version, over all connections and workers. Times are one clock's, taken before sending and after receiving, so
what is found has happened. Knows nothing of how a switch is done.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from tests.kit.clients import Answer


@dataclass(frozen=True)
class Turn:
    """A switch to ``version``, asked for at ``asked_at`` and said to be done at ``done_at``."""

    version: str
    asked_at: float
    done_at: float


@dataclass(frozen=True)
class Disorder:
    """``late`` was sent to the old version after ``since``, when the new one had answered, or the switch was said to be done."""

    turn: Turn
    since: float
    late: Answer


def disorders(answers: Sequence[Answer], turns: Sequence[Turn]) -> list[Disorder]:
    """Every request that was answered by the wrong version. ``turns`` are in order, and one is over before the next is asked for.

    A request that was under way when its turn was asked for is older than that: it says nothing, whoever answered it.
    """
    by_sending = sorted(answers, key=lambda answer: answer.sent_at)
    sent = [answer.sent_at for answer in by_sending]
    found = []
    for turn, following in zip(turns, [*turns[1:], Turn("", inf, inf)], strict=True):
        of_turn = by_sending[bisect_left(sent, turn.asked_at) : bisect_left(sent, following.asked_at)]
        news = [answer.answered_at for answer in of_turn if answer.body == turn.version]
        since = min([turn.done_at, *news])
        found += [Disorder(turn, since, answer) for answer in of_turn if answer.sent_at > since and answer.body != turn.version]
    return found
