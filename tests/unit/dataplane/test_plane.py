"""The whole of a worker: plans swapped, snapshots taken, draining."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy import limits
from proxy.clock import ManualClock
from proxy.errors import PlanRefused
from proxy.model.intent import AccessLog, Listener
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Conversation, plan, settle

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


async def test_pools_outlive_a_plan_so_nothing_is_reconnected() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.serve(msgspec.structs.replace(plan(), generation=2))
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert 1 == len(talk.loop.origins)
    await talk.end()


async def test_idle_connections_of_an_endpoint_that_is_gone_are_closed() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.serve(msgspec.structs.replace(plan(versions=(Version("v1", (Endpoint("127.0.0.1", 9009),)),)), generation=2))

    assert talk.origin(0).closing
    await talk.end()


async def test_an_abandoned_plan_cannot_be_committed() -> None:
    talk = Conversation()
    talk.plane.prepare(msgspec.structs.replace(plan(), generation=2))
    talk.plane.abandon(2)

    with pytest.raises(KeyError):
        talk.plane.commit(2)
    await talk.end()


async def test_a_plan_with_a_bad_network_is_refused() -> None:
    talk = Conversation()
    with pytest.raises(PlanRefused, match="trusted_proxies"):
        talk.plane.prepare(msgspec.structs.replace(plan(), generation=2, listeners=(Listener("web", trusted_proxies=("nonsense",)),)))
    await talk.end()


async def test_a_version_without_endpoints_is_refused() -> None:
    talk = Conversation()
    with pytest.raises(PlanRefused, match="no endpoints"):
        talk.plane.prepare(msgspec.structs.replace(plan(versions=(Version("v1", ()),)), generation=2))
    await talk.end()


async def test_a_snapshot_holds_what_was_counted_since_the_last_and_no_more() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    first = talk.plane.snapshot()
    second = talk.plane.snapshot()

    assert [{200: 1}] == [cell.requests for cell in first.cells]
    assert [] == second.cells
    assert (1, 2) == (first.sequence, second.sequence)
    await talk.end()


async def test_the_level_of_requests_in_flight_comes_down_again() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    during = talk.counts()["v1"].in_flight
    await talk.origin_says(OK)
    after = talk.counts()["v1"].in_flight

    assert (1, 0) == (during, after)
    await talk.end()


async def test_a_cell_of_an_old_plan_is_reported_until_its_last_request_ended_and_then_let_go() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    talk.serve(msgspec.structs.replace(plan(), generation=2))
    talk.plane.snapshot()
    await talk.origin_says(OK)
    last = [(cell.generation, cell.requests) for cell in talk.plane.snapshot().cells]
    talk.plane.snapshot()

    assert (1, {200: 1}) in last
    assert [2] == [cell.generation for cell in talk.plane._cells]
    await talk.end()


async def test_an_address_with_tls_and_without_are_two_endpoints_in_a_snapshot() -> None:
    both = Endpoint("127.0.0.1", 9001), Endpoint("127.0.0.1", 9001, tls=True)
    talk = Conversation(plan(versions=(Version("v1", both),)))

    assert ["127.0.0.1:9001", "https://127.0.0.1:9001"] == [state.endpoint for state in talk.plane.snapshot().endpoints]
    await talk.end()


async def test_a_snapshot_says_how_many_connections_an_endpoint_has() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    busy = talk.plane.snapshot().endpoints[0]
    await talk.origin_says(OK)
    idle = talk.plane.snapshot().endpoints[0]

    assert ("127.0.0.1:9001", 1, 0, True) == (busy.endpoint, busy.active, busy.idle, busy.healthy)
    assert (0, 1) == (idle.active, idle.idle)
    await talk.end()


async def test_an_endpoint_that_refused_is_said_to_be_unhealthy() -> None:
    talk = Conversation()
    talk.loop.refuse = lambda host, port: ConnectionRefusedError()
    await talk.client.says(GET)

    assert not talk.plane.snapshot().endpoints[0].healthy
    await talk.end()


async def test_draining_lets_requests_finish_and_says_close() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    drained = talk.plane.tasks.spawn(talk.plane.drain(20.0), name="drain")
    await settle()
    await talk.origin_says(OK)
    heard = talk.client.heard()

    assert await drained == 0
    assert b"Connection: close" in heard
    assert talk.client.closed
    await talk.end()


async def test_a_request_on_an_idle_connection_is_still_answered_while_draining() -> None:
    """A lost request is the worst a drain can do."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    talk.client.heard()
    drained = talk.plane.tasks.spawn(talk.plane.drain(20.0), name="drain")
    await settle()
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert b"200 OK" in talk.client.heard()
    assert await drained == 0
    await talk.end()


async def test_an_idle_connection_is_closed_soon_while_draining() -> None:
    talk = Conversation()
    drained = talk.plane.tasks.spawn(talk.plane.drain(20.0), name="drain")
    await settle()
    await talk.pass_time(1.2)

    assert await drained == 0
    assert talk.client.closed
    await talk.end()


async def test_an_answer_whose_head_went_out_before_the_drain_is_not_followed_by_a_silent_close() -> None:
    """It promised to keep the connection: the client may be sending its next request already, and gets that answered."""
    talk = Conversation()
    await talk.client.says(GET)
    await talk.origin_says(OK[:-1])
    drained = talk.plane.tasks.spawn(talk.plane.drain(20.0), name="drain")
    await settle()
    await talk.origin_says(OK[-1:])
    open_still = not talk.client.closed
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert open_still
    assert b"Connection: close" in talk.client.heard()
    assert await drained == 0
    await talk.end()


async def test_what_is_not_finished_in_time_is_cut_and_counted() -> None:
    talk = Conversation()
    await talk.client.says(GET)

    assert await talk.plane.drain(0.0) == 1
    await settle()
    assert talk.client.closed
    await talk.end()


async def test_a_plan_that_cannot_be_compiled_whole_is_refused_and_the_old_one_serves_on() -> None:
    """A worker never serves a plan it could not compile whole."""
    talk = Conversation()
    with pytest.raises(PlanRefused):
        talk.plane.prepare(msgspec.structs.replace(plan(weights=(0.0,)), generation=2))
    await talk.client.says(GET)
    await talk.origin_says(OK)

    assert OK == talk.client.heard()
    await talk.end()


async def test_a_plan_whose_access_log_cannot_be_opened_is_refused_and_nothing_has_changed(tmp_path: Path) -> None:
    talk = Conversation()
    bad = msgspec.structs.replace(plan(), generation=2, access_log=AccessLog(path=str(tmp_path / "missing" / "access.log")))
    with pytest.raises(PlanRefused, match="access_log"):
        talk.plane.prepare(bad)

    assert talk.plane.table.generation == 1
    await talk.end()


async def test_the_access_log_names_the_client_behind_a_trusted_proxy(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    talk = Conversation(msgspec.structs.replace(plan(), access_log=AccessLog(path=str(log))), peer="")
    await talk.client.says(b"GET /x?secret=1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nCookie: s=secret\r\n\r\n")
    await talk.origin_says(OK)
    await talk.end()
    line = msgspec.json.decode(log.read_bytes())

    assert ("203.0.113.9", "/x", 200) == (line["client"], line["path"], line["code"])
    assert "secret" not in log.read_text()


async def test_a_start_line_does_not_keep_an_old_table() -> None:
    talk = Conversation()
    await talk.client.says(GET)
    talk.serve(msgspec.structs.replace(plan(), generation=2))

    assert [None] == [start.routed for start in talk.plane.starts.values()]
    await talk.end()


async def test_requests_are_told_by_route_about_once_a_second() -> None:
    talk, clock = Conversation(), ManualClock()
    talk.plane._clock = clock
    talk.plane.snapshot()
    await talk.client.says(GET)
    await talk.origin_says(OK)
    at_once = talk.plane.snapshot().routes
    clock.advance(limits.ROUTES_TOLD_S)

    assert [{}, {0: 1}] == [at_once, talk.plane.snapshot().routes]
    await talk.end()
