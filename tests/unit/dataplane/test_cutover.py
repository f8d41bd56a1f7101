"""Holding requests of a service while its versions switch: what waits, what does not, and what becomes of it."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Override, Version
from proxy.telemetry.cutover import Cutover
from tests.kit.conversation import Client, Conversation, settle

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi"
VERSIONS = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))

pytestmark = pytest.mark.asyncio


def plan(live: str, generation: int = 1) -> RoutePlan:
    """``shop`` with everything on one of two versions, and ``cart`` under its own host."""
    weights = tuple(100.0 * (version.name == live) for version in VERSIONS)
    override = Override(Match(headers=(("x-version", "v1"),)), "v1")
    return RoutePlan(
        generation=generation,
        digest="d",
        listeners=(Listener(name="web"),),
        services=(
            ServicePlan("shop", VERSIONS, weights, overrides=(override,)),
            ServicePlan("cart", (Version("c1", (Endpoint("127.0.0.1", 9003),)),), (1.0,)),
        ),
        routes=(Route(Match(host="cart", path_prefix="/"), "cart"), Route(Match(host="shop", path_prefix="/"), "shop")),
    )


class Switch:
    """A conversation in which ``shop`` is about to switch from v1 to v2."""

    def __init__(self) -> None:
        self.talk = Conversation(plan("v1"))
        self.plane = self.talk.plane
        self.plane.prepare(plan("v2", 2))
        self.plane.barrier.watch(["shop"])

    def held(self) -> Switch:
        self.plane.barrier.hold()
        return self

    async def commit(self) -> Cutover:
        seen = self.plane.commit(2)
        await settle()
        return seen[0]

    def asked(self) -> list[int]:
        """The ports of all origin connections that were made."""
        return [origin.port for origin in self.talk.loop.origins]  # type: ignore[attr-defined]  # the kit's

    async def end(self) -> None:
        await self.talk.end()


async def test_a_request_that_comes_while_all_hold_is_answered_by_the_new_version() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    before = switch.asked()
    await switch.commit()
    await switch.talk.origin_says(OK)

    assert ([], [9002], True) == (before, switch.asked(), switch.talk.client.heard().endswith(b"hi"))
    await switch.end()


async def test_a_held_connection_is_read_no_further_and_read_again_afterwards() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    paused = not switch.talk.client.transport.reading
    await switch.commit()

    assert (True, True) == (paused, switch.talk.client.transport.reading)
    await switch.end()


async def test_a_request_routed_before_finishes_on_the_old_version() -> None:
    switch = Switch()
    await switch.talk.client.says(GET)
    switch.held()
    await switch.talk.origin_says(OK)
    answered = switch.talk.client.heard().endswith(b"hi")
    await switch.commit()

    assert ([9001], True) == (switch.asked(), answered)
    await switch.end()


async def test_the_next_request_of_a_connection_waits_though_the_one_before_was_the_old_version_s() -> None:
    """Its head repeats, so it takes the shortest way there is."""
    switch = Switch()
    await switch.talk.client.says(GET)
    await switch.talk.origin_says(OK)
    switch.held()
    await switch.talk.client.says(GET)
    unsent = switch.talk.origin_heard(0)
    await switch.commit()

    assert (1, [9001, 9002]) == (unsent.count(b"GET"), switch.asked())
    await switch.end()


async def test_a_request_whose_head_is_not_whole_is_routed_by_the_new_table() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET[:20])
    seen = await switch.commit()
    await switch.talk.client.says(GET[20:])

    assert (0, [9002]) == (seen.held, switch.asked())
    await switch.end()


async def test_pipelined_requests_wait_and_are_answered_in_order() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET + GET)
    seen = await switch.commit()
    for _ in range(2):
        await switch.talk.origin_says(OK)

    assert (1, 2, [9002]) == (seen.held, switch.talk.client.heard().count(b"200 OK"), switch.asked())
    await switch.end()


async def test_another_service_does_not_wait() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET.replace(b"shop", b"cart"))

    assert [9003] == switch.asked()
    await switch.end()


async def test_a_request_that_no_route_matches_does_not_wait_either() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET.replace(b"shop", b"nobody"))

    assert switch.talk.client.heard().startswith(b"HTTP/1.1 404 ")
    await switch.end()


async def test_without_a_switch_what_waited_goes_on_where_it_would_have_gone() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    switch.plane.barrier.let_go()
    await settle()

    assert [9001] == switch.asked()
    await switch.end()


async def test_a_barrier_may_be_raised_again() -> None:
    switch = Switch().held()
    switch.plane.barrier.let_go()
    switch.held()
    await switch.talk.client.says(GET)
    await switch.commit()

    assert [9002] == switch.asked()
    await switch.end()


async def test_a_plan_that_is_abandoned_leaves_nothing_waiting() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    switch.plane.abandon(2)
    await settle()

    assert ([9001], 1) == (switch.asked(), switch.plane.table.generation)
    await switch.end()


async def test_a_body_that_came_whole_with_its_head_goes_with_it() -> None:
    switch = Switch().held()
    await switch.talk.client.says(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello")
    await switch.commit()

    assert switch.talk.origin_heard().endswith(b"\r\n\r\nhello")
    await switch.end()


@pytest.mark.parametrize("first", [b"", b"he"])
async def test_an_upload_goes_on_where_it_was_stopped(first: bytes) -> None:
    switch = Switch().held()
    await switch.talk.client.says(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\n" + first)
    paused = not switch.talk.client.transport.reading
    await switch.commit()
    await switch.talk.client.says(b"hello"[len(first) :])

    assert (True, True) == (paused, switch.talk.origin_heard().endswith(b"\r\n\r\nhello"))
    await switch.end()


async def test_a_chunked_upload_is_framed_once() -> None:
    switch = Switch().held()
    await switch.talk.client.says(b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
    await switch.commit()
    await switch.talk.client.says(b"3\r\nllo\r\n0\r\n\r\n")

    assert switch.talk.origin_heard().endswith(b"\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    await switch.end()


async def test_a_client_that_left_meanwhile_is_counted_and_asks_nobody() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    await switch.talk.client.leaves(ConnectionResetError())
    seen = await switch.commit()

    assert (0, 1, [], {"shop": {499: 1}}) == (seen.held, seen.left, switch.asked(), switch.plane.snapshot().own)
    await switch.end()


async def test_the_last_to_the_old_version_comes_before_the_first_to_the_new() -> None:
    switch = Switch()
    await switch.talk.client.says(GET)
    await switch.talk.origin_says(OK)
    switch.held()
    await switch.talk.client.says(GET)
    seen = await switch.commit()

    assert seen.watched_s < seen.old_last_s < seen.new_first_s
    assert (1, 1, True) == (seen.held, sum(seen.holds.values()), seen.hold_s_max > 0)
    await switch.end()


async def test_a_request_with_an_override_is_neither_the_last_nor_the_first() -> None:
    switch = Switch()
    asked_for = GET.replace(b"\r\n\r\n", b"\r\nx-version: v1\r\n\r\n")
    await switch.talk.client.says(asked_for)
    switch.held()
    await switch.talk.another_client().says(asked_for)
    seen = await switch.commit()

    assert (0.0, 0.0, 1) == (seen.old_last_s, seen.new_first_s, seen.held)
    await switch.end()


async def test_nothing_stands_in_the_table_s_place_once_it_is_over() -> None:
    switch = Switch().held()
    await switch.talk.client.says(GET)
    await switch.commit()

    assert "Table" == type(switch.plane.table).__name__
    await switch.end()


async def test_a_plan_committed_without_a_barrier_tells_nothing() -> None:
    talk = Conversation(plan("v1"))
    talk.plane.prepare(plan("v2", 2))

    assert () == talk.plane.commit(2)
    await talk.end()


async def many(switch: Switch, count: int, request: bytes = GET) -> list[Client]:
    clients = [switch.talk.another_client() for _ in range(count)]
    for client in clients:
        await client.says(request)
    return clients


async def test_a_worker_that_holds_as_many_as_it_may_reads_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CUTOVER_HELD_MAX", 2)
    switch = Switch().held()
    await many(switch, 2)
    rested = not switch.talk.client.transport.reading
    await switch.commit()
    await switch.talk.client.says(GET)

    assert (True, [9002] * 3) == (rested, switch.asked())
    await switch.end()


async def test_bodies_in_memory_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CUTOVER_HELD_BYTES_MAX", 10)
    switch = Switch().held()
    await many(switch, 2, b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello")

    assert not switch.talk.client.transport.reading
    await switch.end()


async def test_a_connection_with_a_request_under_way_is_not_laid_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CUTOVER_HELD_MAX", 1)
    switch = Switch()
    await switch.talk.client.says(GET)
    switch.held()
    await many(switch, 1)

    assert switch.talk.client.transport.reading
    await switch.end()


async def test_the_first_request_to_the_new_version_is_told_later_when_none_waited() -> None:
    switch = Switch().held()
    seen = await switch.commit()
    before = switch.plane.snapshot().first_drawn
    await switch.talk.client.says(GET)
    after = switch.plane.snapshot().first_drawn
    again = switch.plane.snapshot().first_drawn

    assert (0.0, {}, ["shop"], {}, "Table") == (seen.new_first_s, before, list(after), again, type(switch.plane.table).__name__)
    await switch.end()


async def test_a_plan_that_follows_at_once_does_not_hide_the_first_request() -> None:
    """Every promotion is followed by one, in which the candidate is stable."""
    switch = Switch().held()
    await switch.commit()
    switch.talk.serve(plan("v2", 3))
    await switch.talk.client.says(GET)
    switch.talk.serve(plan("v2", 4))

    assert ["shop"] == list(switch.plane.snapshot().first_drawn)
    await switch.end()


async def test_a_first_request_that_does_not_come_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CUTOVER_FIRST_S", 0.0)
    switch = Switch().held()
    await switch.commit()
    switch.plane.snapshot()

    assert "Table" == type(switch.plane.table).__name__
    await switch.end()


async def test_another_switch_begins_to_look_anew() -> None:
    switch = Switch().held()
    await switch.commit()
    switch.plane.prepare(plan("v1", 3))
    switch.plane.barrier.watch(["shop"])
    switch.held()
    await switch.talk.client.says(GET)

    assert 1 == switch.plane.commit(3)[0].held
    await switch.end()


async def test_requests_that_are_watched_are_counted_by_route_once() -> None:
    switch = Switch()
    await switch.talk.client.says(GET)

    assert {1: 1} == switch.plane.table.take_hits()
    await switch.end()
