"""What a route does to its messages, seen from both ends of a conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan
from proxy.model.route import HeaderRules, Match, Rewrite, Route, RouteTimeouts
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Conversation, plan
from tests.kit.strict_reader import Message, read_requests

OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nServer: secret/1.0\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


def routed(match: Match | None = None, **changes: Any) -> RoutePlan:
    return msgspec.structs.replace(plan(), routes=(Route(match or Match(path_prefix="/"), "shop", **changes),))


async def forwarded(the_plan: RoutePlan, head: bytes) -> Message:
    talk = Conversation(the_plan)
    await talk.client.says(head)
    (message,) = read_requests(talk.origin_heard())
    await talk.end()
    return message


async def answered(the_plan: RoutePlan, answer: bytes = OK, times: int = 1) -> bytes:
    talk = Conversation(the_plan)
    for _ in range(times):
        talk.client.heard()
        await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await talk.origin_says(answer)
    heard = talk.client.heard()
    await talk.end()
    return heard


async def test_set_replaces_every_line_of_that_name_whatever_its_case() -> None:
    rules = HeaderRules(set=(("x-from", "edge"),))
    message = await forwarded(routed(request_headers=rules), b"GET / HTTP/1.1\r\nHost: a\r\nX-FROM: me\r\nA: b\r\nx-from: too\r\n\r\n")

    assert ["edge"] == message.values("x-from")
    assert ["b"] == message.values("a")


async def test_add_leaves_what_is_there() -> None:
    rules = HeaderRules(add=(("x-from", "edge"),))
    message = await forwarded(routed(request_headers=rules), b"GET / HTTP/1.1\r\nHost: a\r\nX-From: me\r\n\r\n")

    assert ["me", "edge"] == message.values("x-from")


async def test_remove_takes_out_whole_names_only() -> None:
    rules = HeaderRules(remove=("x-debug",))
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Debug: 1\r\nX-Debug-Not: 2\r\nA: X-Debug: 3\r\n\r\n"
    message = await forwarded(routed(request_headers=rules), head)

    assert [] == message.values("x-debug")
    assert ["2"] == message.values("x-debug-not")
    assert ["X-Debug: 3"] == message.values("a")


async def test_rules_hold_for_each_request_of_a_connection_that_repeats_its_fields() -> None:
    talk = Conversation(routed(request_headers=HeaderRules(set=(("x-from", "edge"),))))
    heard = []
    for path in (b"/1", b"/2", b"/3"):
        await talk.client.says(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nX-From: me\r\n\r\n")
        heard += [(m.first, m.values("x-from")) for m in read_requests(talk.origin_heard())]
        await talk.origin_says(OK)

    assert [(f"GET /{n} HTTP/1.1", ["edge"]) for n in (1, 2, 3)] == heard
    await talk.end()


async def test_a_body_stays_framed_under_rules() -> None:
    rules = HeaderRules(set=(("a", "b"),), remove=("user-agent",))
    message = await forwarded(routed(request_headers=rules), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")

    assert (["3"], b"abc", ["b"]) == (message.values("content-length"), message.body, message.values("a"))


async def test_trace_context_passes_untouched() -> None:
    """W3C trace context: whoever does not take part hands it on as it is."""
    lines = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "rojo=00f067aa0ba902b7,congo=t61"}
    head = "".join(["GET / HTTP/1.1\r\nHost: a\r\n", *(f"{name}: {value}\r\n" for name, value in lines.items()), "\r\n"]).encode()
    message = await forwarded(plan(), head)

    assert lines == {name: message.values(name)[0] for name in lines}


@pytest.mark.parametrize("name", ["traceparent", "tracestate"])
async def test_a_connection_field_cannot_switch_trace_context_off(name: str) -> None:
    head = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: {name}\r\n{name}: x\r\n\r\n".encode()

    assert ["x"] == (await forwarded(plan(), head)).values(name)


@pytest.mark.parametrize(
    ("match", "prefix", "asked", "expected"),
    [
        (Match(path_prefix="/api"), "/", b"/api/users?x=%2F&y", "/users?x=%2F&y"),
        (Match(path_prefix="/api/"), "/", b"/api/users", "/users"),
        (Match(path_prefix="/api"), "/", b"/api", "/"),
        (Match(path_prefix="/api"), "/", b"/api?q", "/?q"),
        (Match(path_prefix="/api"), "/", b"/api/", "/"),
        (Match(path_prefix="/api"), "/v2", b"/api/a", "/v2/a"),
        (Match(path_prefix="/api"), "/v2/", b"/api/a", "/v2/a"),
        (Match(path_prefix="/api"), "/v2", b"/api", "/v2"),
        (Match(path_prefix="/"), "/v2", b"/a", "/v2/a"),
        (Match(path="/old"), "/new/place", b"/old?q=1", "/new/place?q=1"),
        (Match(path_prefix="/api"), "/", b"/api//evil.example/x", "/evil.example/x"),
        (Match(path_prefix="/api"), "/", b"/%61pi/./x/../y%2f", "/y%2F"),
        (Match(path_prefix="/api"), "/", b"http://a/api/x", "/x"),
    ],
)
async def test_the_matched_prefix_is_replaced_and_the_target_stays_normal(
    match: Match, prefix: str, asked: bytes, expected: str
) -> None:
    """Rule 42: what is forwarded is what was decided on, in the same form."""
    message = await forwarded(routed(match, rewrite=Rewrite(prefix=prefix)), b"GET " + asked + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert f"GET {expected} HTTP/1.1" == message.first


async def test_an_asterisk_is_no_path_to_rewrite() -> None:
    message = await forwarded(routed(rewrite=Rewrite(prefix="/v2")), b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")

    assert "OPTIONS * HTTP/1.1" == message.first


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"GET http://b/ HTTP/1.0\r\n\r\n"])
async def test_an_explicit_host_is_the_only_one_the_origin_sees(head: bytes) -> None:
    """Rule 6: exactly one."""
    message = await forwarded(routed(rewrite=Rewrite(host="inner:81")), head)

    assert ["inner:81"] == message.values("host")


async def test_the_clients_host_is_still_told_beside_an_explicit_one() -> None:
    message = await forwarded(routed(rewrite=Rewrite(host="inner")), b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")

    assert ["shop.example"] == message.values("x-forwarded-host")


async def test_answers_are_changed_by_the_rules_of_responses() -> None:
    rules = HeaderRules(set=(("x-frame-options", "DENY"),), remove=("server",))
    heard = await answered(routed(response_headers=rules), times=2)

    assert b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\nx-frame-options: DENY\r\n\r\nok" == heard


async def test_an_answer_of_unknown_length_is_chunked_under_rules() -> None:
    rules = HeaderRules(add=(("a", "b"),))
    heard = await answered(routed(response_headers=rules), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    assert heard.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert 1 == heard.count(b"\r\na: b\r\n")


async def test_a_route_without_rules_has_none_beside_one_that_has() -> None:
    both = (Route(Match(path_prefix="/"), "shop"), Route(Match(path="/r"), "shop", request_headers=HeaderRules(remove=("a",))))
    talk = Conversation(msgspec.structs.replace(plan(), routes=both))
    heard = []
    for path in (b"/", b"/r", b"/"):
        await talk.client.says(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n")
        heard += [message.values("a") for message in read_requests(talk.origin_heard())]
        await talk.origin_says(OK)

    assert [["b"], [], ["b"]] == heard
    await talk.end()


async def test_a_routes_own_response_timeout_holds_instead_of_the_services() -> None:
    talk = Conversation(routed(timeouts=RouteTimeouts(response_s=2.0)))
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await talk.pass_time(3)

    assert talk.client.heard().startswith(b"HTTP/1.1 504")
    await talk.end()


async def test_a_routes_timeout_that_is_left_out_is_the_services() -> None:
    talk = Conversation(routed(timeouts=RouteTimeouts(idle_s=2.0)))
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await talk.pass_time(20)
    assert b"" == talk.client.heard()
    await talk.pass_time(11)

    assert talk.client.heard().startswith(b"HTTP/1.1 504")
    await talk.end()


@pytest.mark.parametrize(
    "changes",
    [
        {"request_headers": HeaderRules(set=(("Host", "a"),))},
        {"request_headers": HeaderRules(add=(("content-length", "1"),))},
        {"request_headers": HeaderRules(remove=("transfer-encoding",))},
        {"request_headers": HeaderRules(set=(("a", "b\r\nc: d"),))},
        {"request_headers": HeaderRules(set=(("a b", "c"),))},
        {"request_headers": HeaderRules(remove=("a\r\nb",))},
        {"response_headers": HeaderRules(set=(("connection", "x"),))},
        {"response_headers": HeaderRules(remove=("content-length",))},
        {"rewrite": Rewrite(prefix="//x")},
        {"rewrite": Rewrite(prefix="/a b")},
        {"rewrite": Rewrite(prefix="/a/../b")},
        {"rewrite": Rewrite(prefix="/a?b")},
        {"rewrite": Rewrite(prefix="/a%0")},
        {"rewrite": Rewrite(host="a\r\nb: c")},
    ],
)
async def test_a_plan_whose_rules_would_break_a_message_is_refused(changes: dict[str, Any]) -> None:
    """Nothing but the proxy frames a message, whatever the plane above says."""
    with pytest.raises(PlanRefused):
        Conversation(routed(**changes))


async def test_a_rewrite_of_what_a_regex_matched_is_refused() -> None:
    with pytest.raises(PlanRefused):
        Conversation(routed(Match(path_regex="/a.*"), rewrite=Rewrite(prefix="/")))


async def test_a_route_with_rules_to_a_service_that_is_not_there_refuses_the_plan() -> None:
    with pytest.raises(PlanRefused, match="'ghost', which does not exist"):
        Conversation(msgspec.structs.replace(plan(), routes=(Route(Match(), "ghost", body_limit=1),)))


async def test_what_falls_back_on_stable_stays_under_its_rules() -> None:
    versions = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))
    given = plan(versions=versions, weights=(0.0, 100.0), rollout=1, stable="v1", candidate="v2", fallback=True)
    rules = HeaderRules(set=(("x-to", "you"),))
    route = Route(Match(), "shop", request_headers=HeaderRules(set=(("x-from", "edge"),)), response_headers=rules)
    talk = Conversation(msgspec.structs.replace(given, routes=(route,)))
    await talk.client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await talk.origin_says(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0)
    (message,) = read_requests(talk.origin_heard(1))
    await talk.origin_says(OK, 1)

    assert ["edge"] == message.values("x-from")
    assert b"\r\nx-to: you\r\n" in talk.client.heard()
    await talk.end()


async def test_the_request_after_one_with_rules_has_none_of_them() -> None:
    ruled = Route(Match(path="/r"), "shop", response_headers=HeaderRules(set=(("a", "b"),)), body_limit=1)
    talk = Conversation(msgspec.structs.replace(plan(), routes=(ruled, Route(Match(), "shop"))))
    heard = []
    for path in (b"/r", b"/"):
        await talk.client.says(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await talk.origin_says(OK)
        heard.append(b"\r\na: b\r\n" in talk.client.heard())

    assert [True, False] == heard
    await talk.end()
