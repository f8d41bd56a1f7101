from __future__ import annotations

import pytest

from proxy import limits
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Version
from proxy.routing.matcher import Matcher
from proxy.routing.table import Table
from proxy.wire.request import Request, Starts, new_table, parse

VERSIONS = (Version("v1", (Endpoint("127.0.0.1", 1),)),)


def table(*routes: tuple[str, Match]) -> Table[str, str]:
    """A table whose routes lead to services of those names, in the file's order."""
    names = dict.fromkeys(name for name, _ in routes)
    services = tuple(ServicePlan(name, VERSIONS, (1.0,)) for name in names)
    plan = RoutePlan(7, "", (), services, tuple(Route(match, name) for name, match in routes))
    return Table(plan, {name: [name] for name in names})


def get(target: str = "/", *lines: str, host: str = "shop", method: str = "GET") -> Request:
    head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""])
    return parse(head.encode(), Starts(), new_table())


def service(routes: Table[str, str], request: Request) -> str | None:
    """The service found; asked twice, for the second answer may come from memory."""
    first, second = routes.match(request), routes.match(request)
    assert first is second
    return first.split.plan.name if first else None


def test_a_table_has_its_plans_generation_and_a_split_for_each_service() -> None:
    routes = table(("a", Match()), ("b", Match(path="/b")))

    assert (7, ["a", "b"]) == (routes.generation, list(routes.splits))


def test_a_request_no_route_matches_has_no_split() -> None:
    assert service(table(("a", Match(host="other"))), get()) is None
    assert service(table(), get()) is None


def test_a_route_to_a_service_that_is_not_there_refuses_the_plan() -> None:
    plan = RoutePlan(1, "", (), (), (Route(Match(), "ghost"),))

    with pytest.raises(PlanRefused, match="'ghost', which does not exist"):
        Table(plan, {})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.example.com", "exact"),
        ("SHOP.example.com:81", "exact"),
        ("a.example.com", "wild"),
        ("a.b.example.com", "wild"),
        ("x.deep.example.com", "deep"),
        ("deep.example.com", "wild"),
        ("example.com", "any"),
        ("badexample.com", "any"),
        ("[::1]", "any"),
        ("localhost", "any"),
    ],
)
def test_an_exact_host_comes_before_the_longest_wildcard_before_any(host: str, expected: str) -> None:
    routes = table(
        ("any", Match()),
        ("wild", Match(host="*.example.com")),
        ("deep", Match(host="*.deep.example.com")),
        ("exact", Match(host="shop.example.com")),
    )

    assert expected == service(routes, get(host=host))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a/b", "exact"),
        ("/a/b?c", "exact"),
        ("/a/./b", "exact"),
        ("/a/b/", "prefix-ab"),
        ("/a/b/c", "prefix-ab"),
        ("/a/bc", "prefix-a"),
        ("/a", "prefix-a"),
        ("/a/", "prefix-a"),
        ("/a/../a/x", "prefix-a"),
        ("/ab", "regex"),
        ("/z", None),
        ("/", None),
        ("//a", None),
    ],
)
def test_an_exact_path_comes_before_the_longest_prefix_before_a_regex(target: str, expected: str | None) -> None:
    routes = table(
        ("regex", Match(path_regex="/a.*")),
        ("prefix-a", Match(path_prefix="/a")),
        ("prefix-ab", Match(path_prefix="/a/b/")),
        ("exact", Match(path="/a/b")),
    )

    assert expected == service(routes, get(target))


def test_a_route_without_a_path_is_the_shortest_prefix() -> None:
    routes = table(("regex", Match(path_regex="/a")), ("all", Match()))

    assert "all" == service(routes, get("/a"))


def test_methods_come_before_headers_before_query_before_file_order() -> None:
    headers = (("x-a", "1"), ("x-b", "2"))
    query = (("q", "1"), ("r", "2"))
    routes = table(
        ("first", Match()),
        ("second", Match()),
        ("query-1", Match(query=query[:1])),
        ("query-2", Match(query=query)),
        ("headers-1", Match(headers=headers[:1])),
        ("headers-1-query-2", Match(headers=headers[:1], query=query)),
        ("headers-2", Match(headers=headers)),
        ("method", Match(methods=("GET",))),
    )

    assert "method" == service(routes, get("/?q=1&r=2", "X-A: 1", "X-B: 2"))
    assert "headers-2" == service(routes, get("/?q=1&r=2", "X-A: 1", "X-B: 2", method="POST"))
    assert "headers-1-query-2" == service(routes, get("/?q=1&r=2", "X-A: 1", method="POST"))
    assert "query-2" == service(routes, get("/?q=1&r=2", method="POST"))
    assert "query-1" == service(routes, get("/?q=1", method="POST"))
    assert "first" == service(routes, get("/", method="POST"))


def test_a_route_whose_conditions_fail_gives_way_to_a_less_specific_host_or_path() -> None:
    post = Match(host="shop", path="/a", methods=("POST",))
    routes = table(
        ("exact", post),
        ("prefix", Match(host="shop", path_prefix="/a", headers=(("x-a", "1"),))),
        ("regex", Match(host="shop", path_regex="/.", query=(("q", "1"),))),
        ("any", Match()),
    )

    assert "exact" == service(routes, get("/a?q=1", "X-A: 1", method="POST"))
    assert "prefix" == service(routes, get("/a?q=1", "X-A: 1"))
    assert "regex" == service(routes, get("/a?q=1"))
    assert "any" == service(routes, get("/a"))


def test_the_same_request_to_two_tables_follows_each() -> None:
    """What one table found says nothing about the next."""
    request = get("/a")

    assert "old" == service(table(("old", Match())), request)
    assert "new" == service(table(("new", Match())), request)


def test_the_same_start_line_to_two_hosts_follows_each() -> None:
    starts, lines = Starts(), new_table()
    routes = table(("a", Match(host="a")), ("b", Match(host="b")))
    requests = [parse(b"GET / HTTP/1.1\r\nHost: %c\r\n\r\n" % host, starts, lines) for host in b"abcab"]

    assert ["a", "b", None, "a", "b"] == [service(routes, request) for request in requests]


def test_the_same_start_line_with_other_headers_is_decided_anew() -> None:
    starts, lines = Starts(), new_table()
    routes = table(("beta", Match(headers=(("x-beta", "1"),))), ("all", Match()))
    heads = [b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n" for line in (b"X-Beta: 1\r\n", b"", b"X-Beta: 2\r\n", b"X-Beta: 1\r\n")]

    assert ["beta", "all", "all", "beta"] == [service(routes, parse(head, starts, lines)) for head in heads]


def test_a_look_up_among_10_000_routes_tests_only_what_can_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: one matcher for each route under the very host and path, none for the others."""
    routes = table(*((f"s{n}", Match(host=f"h{n % 100}", path_prefix=f"/p{n}", headers=(("x-a", "1"),))) for n in range(10_000)))
    asked: list[object] = []
    genuine = Matcher.holds

    def counted(self: Matcher, request: Request) -> bool:
        asked.append(self)
        return genuine(self, request)

    monkeypatch.setattr(Matcher, "holds", counted)

    assert "s4242" == service(routes, get("/p4242/x/y", "X-A: 1", host="h42"))
    assert service(routes, get("/p4242/x/y", "X-A: 1", host="h43")) is None
    assert 2 == len(asked)


class Counting(dict[bytes, object]):
    """A dictionary that counts what it is asked."""

    asked = 0

    def get(self, key: bytes, default: object = None) -> object:  # type: ignore[override]  # one type is enough here
        self.asked += 1
        return super().get(key, default)


def test_a_path_of_nothing_but_slashes_is_not_asked_about_slash_by_slash() -> None:
    """An 8 KiB path of 8,000 segments would cost 20 ms of the loop; no prefix is longer than the longest that is configured."""
    routes = table(("a", Match(path_prefix="/a/b")))
    prefixes = Counting(routes._any.prefixes)
    routes._any.prefixes = prefixes  # type: ignore[assignment]  # a dictionary that counts

    assert routes.match(get("/" * (limits.TARGET_BYTES_MAX - 1))) is None
    assert prefixes.asked <= 5


def test_what_each_route_got_is_told_once() -> None:
    routes = table(("a", Match(path="/a")), ("b", Match()))
    for target in ("/a", "/", "/"):
        way = routes.match(get(target))
        assert way is not None
        way.hits += 1

    assert [{0: 1, 1: 2}, {}] == [routes.take_hits(), routes.take_hits()]
