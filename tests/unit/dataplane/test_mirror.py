"""Copies of safe requests, in conversation: what the shadow hears, what the client never notices, and what is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy import limits
from proxy.dataplane.mirror import Count
from proxy.model.pair import Pair
from proxy.model.service import Endpoint, Shadow, Sticky, Version
from proxy.telemetry.snapshot import ShadowDelta
from tests.kit.conversation import Conversation, plan, settle

pytestmark = pytest.mark.asyncio

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\nCookie: s=1\r\nAuthorization: secret\r\nX-Kept: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
V1, V2, V3 = (Version(f"v{i}", (Endpoint("127.0.0.1", 9000 + i),)) for i in (1, 2, 3))


class Pairs:
    """A comparer that calls every pair a match, or takes none."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.away = False

    def offer(self, pair: Pair, count: Count | None) -> None:
        if self.away:
            if count is not None:
                count.drop("comparer")
            return
        self.pairs.append(pair)
        if count is not None:
            count.end("match")

    def use(self, path: str) -> None:
        """It is everywhere."""

    def close(self) -> None:
        """Nothing is open."""


class Talk(Conversation):
    """A service whose requests to v1 are copied to v2."""

    def __init__(self, shadow: Shadow | None = None, **changes: Any) -> None:
        versions = changes.pop("versions", (V1, V2))
        weights = changes.pop("weights", (1.0,) + (0.0,) * (len(versions) - 1))
        super().__init__(plan(versions=versions, weights=weights, shadow=shadow or Shadow("v2"), **changes))
        self.compared = Pairs()
        self.plane.mirrors.comparing = self.compared  # type: ignore[assignment]  # looks like it

    def ports(self) -> list[int]:
        """Where connections were made to."""
        return [transport.port for transport in self.loop.origins]  # type: ignore[attr-defined]  # the scripted loop says so

    def to(self, port: int) -> int:
        """The index of the newest connection to a port."""
        return max(i for i, p in enumerate(self.ports()) if p == port)

    def shadow(self) -> ShadowDelta:
        """What was counted of copies since the last call."""
        [delta] = self.plane.snapshot().shadows
        return delta


@pytest_asyncio.fixture
async def talk() -> AsyncIterator[Talk]:
    made = Talk()
    yield made
    await made.end()


async def talk_of(shadow: Shadow | None = None, **changes: Any) -> Talk:
    return Talk(shadow, **changes)


async def test_a_copy_is_sent_after_the_original_without_credentials_and_marked(talk: Talk) -> None:
    await talk.client.says(GET)

    assert talk.ports() == [9001, 9002]
    original, copy = talk.origin_heard(0), talk.origin_heard(1)
    assert b"X-Headgate-Shadow" not in original
    lines = original.replace(b"Cookie: s=1\r\nAuthorization: secret\r\n", b"").removesuffix(b"\r\n")
    assert copy == lines + b"X-Headgate-Shadow: 1\r\n\r\n"


@pytest.mark.parametrize(("scheme", "idle"), [(b"NTLM x", 0), (b"Basic x", 1)])
async def test_a_connection_that_carried_the_login_of_a_copy_is_no_other_copys(scheme: bytes, idle: int) -> None:
    talk = await talk_of(Shadow("v2", redact=()))
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: " + scheme + b"\r\n\r\n")
    assert scheme in talk.origin_heard(talk.to(9002))
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(OK, talk.to(9002))

    assert [pool.idle for leg in talk.plane.table.splits["shop"].legs if leg.mirror for pool in leg.mirror.pools] == [idle]
    await talk.end()


async def test_the_client_gets_the_originals_answer_and_no_other(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK.replace(b"hi", b"no"), talk.to(9002))
    await talk.origin_says(OK, talk.to(9001))

    assert talk.client.heard().endswith(b"hi")


async def test_a_pair_is_both_answers_and_the_request(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(OK.replace(b"hi", b"no"), talk.to(9002))
    [pair] = talk.compared.pairs

    assert (pair.service, pair.version, pair.route, pair.method, pair.target) == ("shop", "v2", "*/*", "GET", "/a?b=1")
    assert (pair.original.status, pair.original.body, pair.copy.status, pair.copy.body) == (200, b"hi", 200, b"no")


async def test_a_copy_is_in_no_count_of_its_version(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK.replace(b"200", b"500"), talk.to(9002))
    await talk.origin_says(OK, talk.to(9001))
    counts = talk.counts()

    assert [(name, cell.requests, cell.failures, cell.draws) for name, cell in counts.items()] == [("v1", {200: 1}, {}, 1)]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        b"DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PATCH /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"TRACE /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROPFIND /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nX-Headgate-Shadow: 1\r\n\r\n",
    ],
)
async def test_nothing_but_a_safe_request_without_a_body_is_copied(talk: Talk, head: bytes) -> None:
    await talk.client.says(head)

    assert [port for port in talk.ports() if port == 9002] == []
    assert talk.plane.snapshot().shadows == []


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
async def test_safe_methods_are_copied(talk: Talk, method: bytes) -> None:
    await talk.client.says(method + b" /a HTTP/1.1\r\nHost: x\r\n\r\n")

    assert talk.origin_heard(talk.to(9002)).startswith(method + b" /a HTTP/1.1\r\n")


async def test_a_known_user_is_always_in_or_always_out() -> None:
    talk = await talk_of(Shadow("v2", percent_bp=5000), sticky=Sticky("header", "u"))
    seen = {}
    for user in range(20):
        for _ in range(3):
            client = talk.another_client()
            before = talk.ports().count(9002)
            await client.says(b"GET / HTTP/1.1\r\nHost: x\r\nu: %d\r\n\r\n" % user)
            seen.setdefault(user, []).append(talk.ports().count(9002) - before)
    await talk.end()

    assert {tuple(times) for times in seen.values()} == {(0, 0, 0), (1, 1, 1)}


@pytest.mark.parametrize(
    ("says", "failure"),
    [
        (b"garbage\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "reset"),
        (b"", "reset"),
    ],
)
async def test_a_shadow_that_breaks_is_an_error_and_nothing_to_the_client(talk: Talk, says: bytes, failure: str) -> None:
    await talk.client.says(GET)
    if says:
        await talk.origin_says(says, talk.to(9002))
    await talk.origin_ends(talk.to(9002), ConnectionResetError())
    await talk.origin_says(OK, talk.to(9001))

    assert talk.client.heard().endswith(b"hi")
    assert [pair.copy.failure for pair in talk.compared.pairs] == [failure]
    assert talk.shadow() == ShadowDelta("shop", "v2", 1, {"error": 1}, {}, 0)


async def test_a_shadow_that_refuses_is_an_error() -> None:
    talk = await talk_of()
    talk.loop.refuse = lambda host, port: ConnectionRefusedError() if port == 9002 else None
    await talk.client.says(GET)
    await talk.origin_says(OK, 0)

    assert (talk.client.heard().endswith(b"hi"), talk.shadow().results) == (True, {"error": 1})
    await talk.end()


async def test_a_shadow_that_hangs_is_given_up_after_its_own_time(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    heard = talk.client.heard()
    await talk.pass_time(5.5)

    assert (heard.endswith(b"hi"), talk.origin(talk.to(9002)).closing, talk.shadow().results) == (True, True, {"error": 1})


async def test_a_shadow_that_trickles_is_given_up_after_its_own_time(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", talk.to(9002))
    for _ in range(6):
        if not talk.origin(talk.to(9002)).closing:
            await talk.origin_says(b"x", talk.to(9002))
        await talk.pass_time(1.0)

    assert [pair.copy.failure for pair in talk.compared.pairs] == ["timeout"]


async def test_of_a_huge_answer_no_more_than_the_bound_is_read() -> None:
    talk = await talk_of(Shadow("v2", max_bytes=10))
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 20, talk.to(9002))
    await talk.origin_says(OK, talk.to(9001))
    [pair] = talk.compared.pairs

    assert (talk.origin(1).closing, pair.copy.body, pair.copy.size) == (True, b"x" * 10, 20)
    await talk.end()


async def test_more_copies_than_allowed_are_dropped_and_counted() -> None:
    talk = await talk_of(Shadow("v2", max_in_flight=1))
    await talk.client.says(GET)
    await talk.another_client().says(GET)

    assert talk.shadow() == ShadowDelta("shop", "v2", 2, {}, {"in_flight": 1}, 1)
    await talk.end()


async def test_an_original_whose_client_leaves_has_nothing_to_compare_with(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.client.leaves(ConnectionResetError())

    assert (talk.shadow(), talk.origin(talk.to(9002)).closing) == (ShadowDelta("shop", "v2", 1, {}, {"original": 1}, 0), True)


async def test_an_original_that_fails_is_compared_as_that(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_ends(talk.to(9001), ConnectionResetError())
    await talk.origin_says(OK, talk.to(9002))

    assert [(pair.original.failure, pair.copy.status) for pair in talk.compared.pairs] == [("reset", 200)]


async def test_an_event_stream_is_not_compared_and_its_copy_ends(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", talk.to(9001))

    assert (talk.shadow().dropped, talk.origin(talk.to(9002)).closing) == ({"stream": 1}, True)


async def test_without_room_to_keep_answers_a_pair_is_dropped(talk: Talk) -> None:
    talk.plane.mirrors.store.take(limits.CAPTURED_BYTES_MAX)
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))

    assert (talk.client.heard().endswith(b"hi"), talk.shadow().dropped) == (True, {"memory": 1})


async def test_what_was_kept_is_let_go_when_the_pair_is_over(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(OK, talk.to(9002))

    assert talk.plane.mirrors.store.take(limits.CAPTURED_BYTES_MAX)


async def test_without_a_comparer_pairs_are_dropped_and_counted(talk: Talk) -> None:
    talk.compared.away = True
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(OK, talk.to(9002))

    assert talk.shadow() == ShadowDelta("shop", "v2", 1, {}, {"comparer": 1}, 0)


async def test_copies_may_be_sent_and_not_compared() -> None:
    talk = await talk_of(Shadow("v2", compare=False))
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.origin_says(OK, talk.to(9002))

    assert (talk.shadow().results, talk.compared.pairs) == ({"uncompared": 1}, [])
    await talk.end()


async def test_a_noise_version_gets_the_same_copy() -> None:
    talk = await talk_of(Shadow("v2", noise="v3"), versions=(V1, V2, V3))
    await talk.client.says(GET)
    assert talk.origin_heard(talk.to(9002)) == talk.origin_heard(talk.to(9003))
    for port, body in ((9001, b"hi"), (9002, b"no"), (9003, b"hi")):
        await talk.origin_says(OK.replace(b"hi", body), talk.to(port))
    [pair] = talk.compared.pairs

    assert (pair.copy.body, pair.noise and pair.noise.body) == (b"no", b"hi")
    await talk.end()


async def test_requests_of_the_candidate_are_not_copied() -> None:
    talk = await talk_of(Shadow("v3"), versions=(V1, V2, V3), weights=(0.0, 1.0, 0.0), rollout=1, stable="v1", candidate="v2")
    await talk.client.says(GET)

    assert talk.ports() == [9002]
    await talk.end()


async def test_requests_of_the_shadow_version_itself_are_not_copied() -> None:
    talk = await talk_of(Shadow("v1"))
    await talk.client.says(GET)

    assert talk.ports() == [9001]
    await talk.end()


async def test_a_chunked_answer_is_kept_without_its_framing(talk: Talk) -> None:
    await talk.client.says(GET)
    for port in (9001, 9002):
        await talk.origin_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", talk.to(port))
        await talk.origin_says(b"1\r\ni\r\n0\r\n\r\n", talk.to(port))

    assert [(pair.original.body, pair.copy.body) for pair in talk.compared.pairs] == [(b"hi", b"hi")]


async def test_a_dead_idle_connection_of_the_shadow_is_replaced(talk: Talk) -> None:
    await talk.client.says(GET)
    for port in (9001, 9002):
        await talk.origin_says(OK, talk.to(port))
    await talk.client.says(GET)
    dead = talk.to(9002)
    talk.origin(dead).closing = True
    talk.origin(dead).protocol.connection_lost(None)
    await settle()
    for port in (9001, 9002):
        await talk.origin_says(OK, talk.to(port))

    assert (talk.ports().count(9002), talk.shadow().results) == (2, {"match": 2})


async def test_a_shadow_that_is_taken_out_of_the_plan_loses_its_connections(talk: Talk) -> None:
    await talk.client.says(GET)
    for port in (9001, 9002):
        await talk.origin_says(OK, talk.to(port))
    from msgspec.structs import replace

    talk.serve(replace(plan(versions=(V1, V2), weights=(1.0, 0.0)), generation=2))
    await talk.client.says(GET)

    assert (talk.origin(talk.to(9002)).closing, talk.ports().count(9002)) == (True, 1)


async def test_a_pair_is_of_its_own_request_whatever_its_client_asks_next(talk: Talk) -> None:
    await talk.client.says(GET)
    await talk.origin_says(OK, talk.to(9001))
    await talk.client.says(GET.replace(b"GET /a?b=1", b"HEAD /other"))
    await talk.origin_says(OK, 1)

    assert [(pair.method, pair.target) for pair in talk.compared.pairs] == [("GET", "/a?b=1")]
