"""Client and origin say anything, in any order, cut anywhere: no exception escapes, no desync, nothing is left behind."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.storm import ANSWERS, CLOGS, DEPARTS, ENDS, FLOWS, LEAVES, SAYS, WAITS, Step, Storm

requests = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /1 HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    ]
)
answers = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\n\r\nold",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ]
)
edits = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from([b"", b"\r", b"\n", b"\0", b" ", b"0", b"\r\n", b"\x80", b":"])), max_size=2
)


def steps_of(kind: int, message: bytes, changes: list[tuple[int, bytes]], cut: int) -> list[Step]:
    """``message`` with octets replaced, in one or two pieces."""
    for at, octet in changes:
        if at < len(message):
            message = message[:at] + octet + message[at + 1 :]
    return [(kind, piece) for piece in (message[:cut], message[cut:]) if piece]


unchanged = st.just([])
said = st.builds(steps_of, st.just(SAYS), requests, unchanged | edits, st.integers(0, 150))
answered = st.builds(steps_of, st.just(ANSWERS), answers, unchanged | edits, st.integers(0, 100))
events = st.sampled_from([[(ENDS, b"")], [(ENDS, b"r")], [(LEAVES, b"")], [(WAITS, b"." * 7)], [(WAITS, b"." * 90)]])
pressure = st.sampled_from([[(kind, what)] for kind in (CLOGS, FLOWS) for what in (b"c", b"o")] + [[(DEPARTS, b"")], [(DEPARTS, b"r")]])
stories = st.lists(said | answered | said | answered | events | pressure, min_size=1, max_size=12)


@settings(max_examples=400, deadline=None)
@given(stories)
def test_whatever_both_sides_say_no_promise_is_broken(story: list[list[Step]]) -> None:
    asyncio.run(Storm().play([step for part in story for step in part]))
