"""What a played case says of a proxy: whether it did as the case lists, and whether it let two readers disagree. Pure.

A *desync* is one of these, and nothing else:

- the origin was sent bytes that a strict reader cannot read, or was left waiting in a request the proxy had given up;
- the origin saw another request than a strict reader of the client's bytes: one too many, another body, a cut one as if it were whole.
  Of a message whose frame a strict reader refuses, one lenient reading may be forwarded, framed anew; what follows it may not;
- an answer was sent that a strict client cannot read, or a second one, or a cut one as if it were whole;
- somebody else's request got an answer that was not its own.

Everything else that a case lists and a proxy does otherwise is a difference of policy.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.peers.playing import Case, Played, finals, status
from tests.kit.strict_reader import Ambiguous, Incomplete, Message


@dataclass(frozen=True)
class Verdict:
    """``desync`` and ``differs`` say what happened; both empty for a proxy that did as the case lists."""

    rule: int
    case: str
    desync: str = ""
    differs: str = ""

    @property
    def passed(self) -> bool:
        return not (self.desync or self.differs)


def judge(played: Played, *, exact: bool) -> Verdict:
    """``exact``: status codes as listed; else their class is enough, for the text leaves a choice between codes."""
    answers = "answer" in played.case and isinstance(played.case["answer"], list)
    desync = _of_origin(played) or (_of_requests(played) if answers else _of_answers(played)) or _of_others(played)
    differs = _listed_request(played, exact) if answers else _listed_answer(played, exact)
    return Verdict(played.case["rule"], played.case["name"], desync, "" if desync else differs)


def shown(message: Message) -> str:
    """A request as the cases write it."""
    return f"{message.first}|{message.body.decode('latin-1')}" if message.body else message.first


def refuses(case: Case) -> bool:
    """Whether the last message of a request case is refused, or never ends."""
    return not case["answer"] or case["answer"][-1] >= 400


# ---- desyncs --------------------------------------------------------------------------------------------------------------------


def _of_origin(played: Played) -> str:
    if played.seen.unreadable:
        return f"sent the origin what no strict reader can read: {played.seen.unreadable[0]}"
    if played.seen.hanging:
        return f"left the origin waiting in {played.seen.hanging[0][:400]!r}"
    return ""


def _of_requests(played: Played) -> str:
    wanted = played.case.get("origin", [])
    got = [shown(message) for message in played.seen.requests]
    if any(message.first.split(" ")[1].startswith("/smuggled") for message in played.seen.requests):
        return f"read on after a frame that a strict reader refuses: {got}"
    if len(got) > len(wanted) + refuses(played.case) and not played.case.get("framed"):
        return f"{len(got)} requests for {len(wanted)}"
    if len(got) > len(wanted) and played.case.get("ends"):
        return f"ended a cut request as if it were whole: {got[-1]!r}"
    for message, line in zip(played.seen.requests, wanted, strict=False):
        if message.body.decode("latin-1") != line.partition("|")[2]:
            return f"another body: {shown(message)!r}"
    return ""


def _of_answers(played: Played) -> str:
    case = played.case
    try:
        got = finals(played.heard.answers([case.get("method", "GET")]))
    except Incomplete:
        return ""  # the connection broke, and the client knows
    except Ambiguous as why:
        return f"sent the client what no strict reader can read: {why}"
    if len(got) > 1:
        return "answered twice"
    if not got or status(got[0]) >= 500:
        return ""
    body = got[0].body.decode("latin-1")
    if case.get("cut") and body != case.get("lax"):
        return f"ended a broken answer as if it were whole: {body!r}"
    return ""


def _of_others(played: Played) -> str:
    for target, got in played.own.items():
        if got != f"GET {target}" and got != "none" and not got.isdigit():
            return f"the request for {target} got {got!r}"
    return ""


# ---- as listed ------------------------------------------------------------------------------------------------------------------


def _alike(wanted: int, got: int, exact: bool) -> bool:
    return wanted == got if exact else (wanted >= 400) == (got >= 400)


def _listed_request(played: Played, exact: bool) -> str:
    case = played.case
    got = [shown(message) for message in played.seen.requests]
    if got != case.get("origin", []):
        return f"forwarded {got}"
    try:
        answers = [status(m) for m in finals(played.heard.answers([line.split(" ")[0] for line in got]))]
    except Ambiguous as why:
        return f"answered what cannot be read: {why}"
    if len(answers) != len(case["answer"]) or not all(_alike(w, g, exact) for w, g in zip(case["answer"], answers, strict=True)):
        return f"answered {answers}"
    if case["closed"] != played.heard.ended:
        return "ended the connection" if played.heard.ended else "did not end the connection"
    return _listed_fields(played) or _listed_others(played)


def _listed_fields(played: Played) -> str:
    if not played.seen.requests:
        return ""
    last = played.seen.requests[-1]
    fields = [f"{name.lower()}: {value}" for name, value in last.fields]
    for name in played.case.get("absent", []):
        if last.values(name):
            return f"forwarded the field {name}"
    for line in played.case.get("present", []):
        if line.replace("192.0.2.7", "127.0.0.1").lower() not in [field.lower() for field in fields]:  # where the case's client is
            return f"did not forward {line!r}"
    return ""


def _listed_answer(played: Played, exact: bool) -> str:
    case = played.case
    try:
        answers = played.heard.answers([case.get("method", "GET")])
    except Ambiguous:
        return "" if case.get("cut") else "broke the connection"
    statuses = [status(answer) for answer in answers]
    if case.get("cut"):  # where nothing of it has been sent, a proxy may still say that there is none
        return "" if statuses in ([], [502]) else f"answered {statuses}"
    wanted, _, body = case["answer"].partition(" ")
    if not finals(answers) or statuses[:-1] != case.get("interim", []) or not _alike(int(wanted), statuses[-1], exact):
        return f"answered {statuses}"
    if " " in case["answer"] and body != answers[-1].body.decode("latin-1"):
        return f"another body: {answers[-1].body!r}"
    if played.heard.ended:
        return "ended a connection whose client did nothing wrong"
    if not case["reused"] and played.seen.reused:
        return "used the origin's connection again"
    return _listed_others(played)


def _listed_others(played: Played) -> str:
    got = next((f"{target} got {got}" for target, got in played.own.items() if got != f"GET {target}"), "")
    return f"a request after it: {got}" if got else ""
