"""Which endpoint a request gets: balance, who is out, panic, slow start, and when there is none."""

from __future__ import annotations

from time import perf_counter

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.legs import Leg
from proxy.model.service import Ejection, Endpoint, Health, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 500 No\r\nDate: x\r\nContent-Length: 0\r\n\r\n"
HEALTH = Health("/healthz", interval_s=3600.0)

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _no_check_of_health_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_FIRST_S", 3600.0)


def endpoints(count: int, **version: float) -> tuple[Version, ...]:
    return (Version("v1", tuple(Endpoint("127.0.0.1", 9001 + n) for n in range(count)), **version),)  # type: ignore[arg-type]  # a number


def leg_of(talk: Conversation) -> Leg:
    return talk.plane.table.splits["shop"].legs[0]


def picked(leg: Leg, times: int = 400) -> set[int]:
    """The ports that so many requests got."""
    return {pool.endpoint.port for _ in range(times) if (pool := leg.pick()) is not None}


async def test_round_robin_takes_them_in_turn() -> None:
    talk = Conversation(plan(versions=endpoints(3), balance="round_robin"))
    leg = leg_of(talk)
    taken = [pool.endpoint.port for _ in range(6) if (pool := leg.pick()) is not None]

    assert taken[:3] == taken[3:]
    assert {9001, 9002, 9003} == set(taken)
    await talk.end()


async def test_least_requests_prefers_the_one_with_fewer() -> None:
    talk = Conversation(plan(versions=endpoints(2)))
    leg = leg_of(talk)
    leg.pools[0].active = 5

    assert {9002} == picked(leg)
    leg.pools[0].active = 0
    await talk.end()


async def test_an_unhealthy_endpoint_gets_nothing_until_it_is_healthy() -> None:
    talk = Conversation(plan(versions=endpoints(2), health=HEALTH))
    leg = leg_of(talk)
    leg.pools[0]._checked(False)
    out = picked(leg)
    said = [level.healthy for level in talk.plane.snapshot().endpoints]
    leg.pools[0]._checked(True)

    assert ({9002}, [False, True]) == (out, said)
    assert {9001, 9002} == picked(leg)
    await talk.end()


async def test_all_are_used_when_fewer_than_half_are_left() -> None:
    """Panic: the rest could not carry the load."""
    talk = Conversation(plan(versions=endpoints(5), health=HEALTH))
    leg = leg_of(talk)
    for pool in leg.pools[:2]:
        pool._checked(False)
    before = picked(leg)
    leg.pools[2]._checked(False)

    assert {9004, 9005} < before
    assert not {9001, 9002} & before
    assert {9001, 9002, 9003, 9004, 9005} == picked(leg)
    await talk.end()


@pytest.mark.parametrize("count", [1, 3])
async def test_a_version_without_a_healthy_endpoint_is_503_no_endpoint(count: int) -> None:
    talk = Conversation(plan(versions=endpoints(count), health=HEALTH))
    for pool in leg_of(talk).pools:
        pool._checked(False)
    await talk.client.says(GET)
    heard = talk.client.heard()
    counts = talk.counts()["v1"]

    assert heard.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: " in heard
    assert ({503: 1}, {"no_endpoint": 1}, {"no_endpoint": 1}) == (counts.requests, counts.failures, counts.draw_failures)
    assert 0 == len([origin for origin in talk.loop.origins if b"X-Forwarded" in origin.written])
    await talk.end()


async def test_stable_answers_for_a_candidate_without_a_healthy_endpoint() -> None:
    versions = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))
    talk = Conversation(
        plan(versions=versions, weights=(0.0, 1.0), stable="v1", candidate="v2", rollout=7, fallback=True, health=HEALTH)
    )
    talk.plane.table.splits["shop"].legs[1].pools[0]._checked(False)
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert OK == talk.client.heard()
    assert {"no_endpoint": 1} == talk.counts()["v2"].draw_failures
    await talk.end()


async def test_an_endpoint_that_fails_again_and_again_is_ejected() -> None:
    talk = Conversation(plan(versions=endpoints(2), ejection=Ejection(failures=3), balance="round_robin"))
    leg = leg_of(talk)
    for _ in range(6):
        await talk.client.says(PUT)
        at = next(i for i, origin in enumerate(talk.loop.origins) if origin.protocol.exchange is not None)
        await talk.origin_says(BAD if talk.loop.origins[at].port == 9001 else OK, at)  # type: ignore[attr-defined]  # the scripted loop tells

    assert {9002} == picked(leg)
    assert [False, True] == [level.healthy for level in talk.plane.snapshot().endpoints]
    await talk.end()


async def test_ejections_outlive_a_plan() -> None:
    talk = Conversation(plan(versions=endpoints(2), ejection=Ejection(failures=1)))
    leg = leg_of(talk)
    assert leg.ejector is not None
    leg.ejector.saw(leg.pools[0], False, perf_counter())
    talk.serve(msgspec.structs.replace(plan(versions=endpoints(2), ejection=Ejection(failures=1)), generation=2))

    assert {9002} == picked(leg_of(talk))
    assert leg.ejector is leg_of(talk).ejector
    await talk.end()


async def test_an_endpoint_that_has_become_healthy_gets_a_small_share_at_first() -> None:
    talk = Conversation(plan(versions=endpoints(2, slow_start_s=3600.0), health=HEALTH))
    leg = leg_of(talk)
    leg.pools[0]._checked(False)
    leg.pools[0]._checked(True)
    got = sum(pool.endpoint.port == 9001 for _ in range(2000) if (pool := leg.pick()) is not None)

    assert 40 < got < 180  # a tenth of its half: 100 expected
    await talk.end()


async def test_an_endpoint_that_is_new_in_a_version_starts_slowly() -> None:
    talk = Conversation(plan(versions=endpoints(1, slow_start_s=3600.0)))
    talk.serve(msgspec.structs.replace(plan(versions=endpoints(2, slow_start_s=3600.0)), generation=2))
    leg = leg_of(talk)
    got = sum(pool.endpoint.port == 9002 for _ in range(2000) if (pool := leg.pick()) is not None)

    assert 40 < got < 180
    await talk.end()


async def test_checks_end_with_the_endpoint() -> None:
    talk = Conversation(plan(versions=endpoints(2), health=HEALTH))
    before = len(talk.plane.tasks)
    talk.serve(msgspec.structs.replace(plan(versions=endpoints(1), health=HEALTH), generation=2))
    await talk.pass_time(0)

    assert (2, 1) == (before, len(talk.plane.tasks))
    await talk.end()


async def test_an_unhealthy_endpoint_is_healthy_once_nobody_checks_it() -> None:
    talk = Conversation(plan(versions=endpoints(2), health=HEALTH))
    leg_of(talk).pools[0]._checked(False)
    talk.serve(msgspec.structs.replace(plan(versions=endpoints(2)), generation=2))

    assert {9001, 9002} == picked(leg_of(talk))
    await talk.end()


async def test_an_endpoint_on_standby_gets_no_request_and_is_watched() -> None:
    talk = Conversation(plan(versions=endpoints(2), health=HEALTH, standby=(("v1", "127.0.0.1:9002"),)))
    leg = leg_of(talk)

    assert {9001} == picked(leg)
    assert [9002] == [pool.endpoint.port for pool in leg.spare]
    assert {"127.0.0.1:9001", "127.0.0.1:9002"} == {state.endpoint for state in talk.plane.snapshot().endpoints}
    await talk.end()


async def test_a_version_with_nothing_but_standby_is_served_as_one_without_endpoints() -> None:
    talk = Conversation(plan(versions=endpoints(1), standby=(("v1", "127.0.0.1:9001"),)))
    await talk.client.says(GET)

    assert talk.client.heard().startswith(b"HTTP/1.1 503 ")
    await talk.end()


async def test_an_endpoint_that_comes_from_standby_starts_slowly() -> None:
    talk = Conversation(plan(versions=endpoints(2, slow_start_s=60.0), standby=(("v1", "127.0.0.1:9002"),)))
    spare = leg_of(talk).spare[0]
    spare.warm_from = 0.0
    talk.serve(msgspec.structs.replace(plan(versions=endpoints(2, slow_start_s=60.0)), generation=2))

    assert spare in leg_of(talk).pools
    assert spare.warm_from > 0.0
    await talk.end()


@pytest.mark.parametrize(("health", "knock", "path"), [(None, ("v1",), ""), (None, (), None), (HEALTH, ("v1",), "/healthz")])
async def test_an_endpoint_without_a_health_check_is_knocked_at_where_the_plan_says_so(
    health: Health | None, knock: tuple[str, ...], path: str | None
) -> None:
    talk = Conversation(plan(versions=endpoints(1), health=health, knock=knock))
    checking = leg_of(talk).pools[0]._checker

    assert path == (None if checking is None else checking.plan.path)
    assert [False] == [state.asked for state in talk.plane.snapshot().endpoints]
    await talk.end()
