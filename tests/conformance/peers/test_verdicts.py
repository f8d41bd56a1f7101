"""What counts as a desync and what as policy, on samples of each: the judge can find what it looks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.peers.origin import Seen
from tests.conformance.peers.playing import Heard, Played
from tests.conformance.peers.verdicts import Verdict, judge
from tests.kit.strict_reader import Message, next_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TAKEN = {"name": "n", "rule": 2, "say": "", "origin": ["POST / HTTP/1.1|abc"], "answer": [200], "closed": False}
REFUSED = {"name": "n", "rule": 2, "say": "", "answer": [400], "closed": True}
ANSWER = {"name": "n", "rule": 34, "say": "", "answer": "200 ok", "reused": False}
CUT = {"name": "n", "rule": 34, "say": "", "cut": True, "reused": False}


def request(target: str, body: bytes = b"") -> Message:
    return next_request(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (target.encode(), len(body), body))[0]


def verdict(
    case: dict[str, Any], heard: bytes, *requests: Message, ended: bool = False, victim: str = "GET /victim", **seen: Any
) -> Verdict:
    return judge(Played(case, Seen(list(requests), **seen), Heard(heard, ended), {"/victim": victim}), exact=True)


def test_what_goes_as_listed_passes() -> None:
    assert verdict(TAKEN, OK, request("/", b"abc")).passed
    assert verdict(REFUSED, BAD, ended=True).passed
    assert verdict(ANSWER, OK).passed
    assert verdict(CUT, OK[:-1], ended=True).passed
    assert verdict(CUT, BAD.replace(b"400", b"502")).passed


@pytest.mark.parametrize(
    ("case", "played"),
    [
        (TAKEN, {"requests": [request("/", b"abc"), request("/2")], "heard": OK}),
        (TAKEN, {"requests": [request("/", b"ab")], "heard": OK}),
        (TAKEN, {"requests": [request("/", b"abc")], "heard": OK, "victim": "GET /smuggled"}),
        (TAKEN, {"requests": [], "heard": OK, "unreadable": ["bare CR"]}),
        (TAKEN, {"requests": [], "heard": OK, "hanging": [b"POST"]}),
        (REFUSED, {"requests": [request("/smuggled")], "heard": BAD, "ended": True}),
        (REFUSED, {"requests": [request("/"), request("/2")], "heard": BAD, "ended": True}),
        (REFUSED | {"answer": [], "ends": True}, {"requests": [request("/")], "heard": b"", "ended": True}),
        (ANSWER, {"requests": [], "heard": OK + OK}),
        (ANSWER, {"requests": [], "heard": OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")}),
        (ANSWER, {"requests": [], "heard": OK, "victim": "evil"}),
        (CUT, {"requests": [], "heard": OK, "ended": True}),
    ],
)
def test_a_desync_is_found(case: dict[str, Any], played: dict[str, Any]) -> None:
    found = verdict(case, played.pop("heard"), *played.pop("requests"), **played)

    assert found.desync
    assert not found.passed


@pytest.mark.parametrize(
    ("case", "played"),
    [
        (REFUSED, {"requests": [request("/")], "heard": OK}),
        (REFUSED | {"framed": True}, {"requests": [request("/"), request("/after")], "heard": OK + OK}),
        (REFUSED, {"requests": [], "heard": BAD.replace(b"400", b"431"), "ended": True}),
        (REFUSED, {"requests": [], "heard": BAD}),
        (TAKEN, {"requests": [], "heard": BAD, "ended": True}),
        (TAKEN | {"absent": ["host"]}, {"requests": [request("/", b"abc")], "heard": OK}),
        (TAKEN | {"present": ["x: y"]}, {"requests": [request("/", b"abc")], "heard": OK}),
        (TAKEN, {"requests": [request("/", b"abc")], "heard": OK, "victim": "502"}),
        (ANSWER, {"requests": [], "heard": OK, "reused": True}),
        (ANSWER, {"requests": [], "heard": OK, "ended": True}),
        (ANSWER, {"requests": [], "heard": OK[:-1], "ended": True}),
        (CUT | {"lax": "ok"}, {"requests": [], "heard": OK}),
    ],
)
def test_a_difference_of_policy_is_none(case: dict[str, Any], played: dict[str, Any]) -> None:
    found = verdict(case, played.pop("heard"), *played.pop("requests"), **played)

    assert "" == found.desync
    assert found.differs
