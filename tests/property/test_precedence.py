"""The table against the rules said as slowly and plainly as they can be: compare every route, take the best."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Version
from proxy.routing.table import Table
from proxy.wire.request import Request, Starts, new_table, parse

VERSIONS = (Version("v1", (Endpoint("127.0.0.1", 1),)),)
HOSTS = ("a.b.c", "b.c", "x.a.b.c", "c", "[::1]")
PATHS = ("/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "//", "/a//b")
REGEXES = ("/.*", "/a.*", "/a/b", ".*b", "/[ab]+")
PAIRS = (("x", "1"), ("x", "2"), ("y", "1"))

place = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"path": st.sampled_from(PATHS)}),
    st.fixed_dictionaries({"path_prefix": st.sampled_from(PATHS)}),
    st.fixed_dictionaries({"path_regex": st.sampled_from(REGEXES)}),
)
pairs = st.lists(st.sampled_from(PAIRS), max_size=2, unique=True).map(tuple)
matches = st.builds(
    lambda where, **rest: Match(**where, **rest),
    place,
    host=st.sampled_from(("", *HOSTS, "*.b.c", "*.c", "*.a.b.c")),
    methods=st.sampled_from(((), (), ("GET",), ("POST", "PUT"))),
    headers=st.one_of(st.just(()), pairs),
    query=st.one_of(st.just(()), pairs),
)
requests = st.tuples(
    st.sampled_from(("GET", "POST")),
    st.sampled_from(PATHS),
    st.sampled_from(HOSTS),
    st.lists(st.sampled_from(PAIRS), max_size=3),
    pairs,
)
Asked = tuple[str, str, str, list[tuple[str, str]], tuple[tuple[str, str], ...]]


def matches_at_all(match: Match, asked: Asked) -> bool:
    """Every condition that is set holds."""
    method, path, host, headers, query = asked
    if match.host.startswith("*.") and not host.endswith(match.host[1:]):
        return False
    if match.host and not match.host.startswith("*.") and host != match.host:
        return False
    if match.path and path != match.path:
        return False
    prefix = match.path_prefix.rstrip("/")
    if not (path + "/").startswith(prefix + "/"):
        return False
    if match.path_regex and not re.fullmatch(match.path_regex, path):
        return False
    if match.methods and method not in match.methods:
        return False
    return set(match.headers) <= set(headers) and set(match.query) <= set(parse_qsl("&".join("=".join(pair) for pair in query)))


def preference(match: Match, order: int) -> tuple[object, ...]:
    """The order of precedence, word for word: smaller is better."""
    host = (2, 0) if not match.host else (1, -len(match.host)) if match.host.startswith("*.") else (0, 0)
    path = (0, 0) if match.path else (2, 0) if match.path_regex else (1, -len(match.path_prefix.rstrip("/")))
    return host, path, 0 if match.methods else 1, -len(match.headers), -len(match.query), order


def read(asked: Asked, starts: Starts) -> Request:
    method, path, host, headers, query = asked
    target = path + ("?" + "&".join("=".join(pair) for pair in query) if query else "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return parse(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode(), starts, new_table())


@settings(max_examples=200)
@given(st.lists(matches, max_size=12), st.lists(requests, min_size=1, max_size=6))
def test_the_table_finds_the_route_that_the_rules_prefer(routes: list[Match], asked: list[Asked]) -> None:
    """Several requests to one table and one memory of start lines, so that an answer remembered is tested as well."""
    services = tuple(ServicePlan(f"s{order}", VERSIONS, (1.0,)) for order in range(len(routes)))
    plan = RoutePlan(1, "", (), services, tuple(Route(match, f"s{order}") for order, match in enumerate(routes)))
    table = Table(plan, {service.name: [service.name] for service in services})
    starts = Starts()
    for one in [*asked, *asked]:
        fitting = [(preference(match, order), f"s{order}") for order, match in enumerate(routes) if matches_at_all(match, one)]
        found = table.match(read(one, starts))

        assert (min(fitting)[1] if fitting else None) == (found.split.plan.name if found else None)
