from __future__ import annotations

import pytest

from proxy.errors import PlanRefused
from proxy.model.route import Match
from proxy.routing.matcher import Matcher
from proxy.wire.request import Request, Starts, new_table, parse


def get(target: str = "/", *lines: str, host: str = "shop", method: str = "GET") -> Request:
    head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""])
    return parse(head.encode("latin-1"), Starts(), new_table())


def holds(match: Match, request: Request, *, keyed: bool = False) -> bool:
    return Matcher(match, keyed=keyed).holds(request)


@pytest.mark.parametrize(
    ("match", "keyed", "always"),
    [
        (Match(), False, True),
        (Match(), True, True),
        (Match(host="a", path="/b"), True, True),
        (Match(path_prefix="/"), False, True),
        (Match(host="a"), False, False),
        (Match(host="*.a"), False, False),
        (Match(path="/a"), False, False),
        (Match(path_prefix="/a"), False, False),
        (Match(path_regex="/a"), True, False),
        (Match(methods=("GET",)), True, False),
        (Match(headers=(("a", "b"),)), True, False),
        (Match(query=(("a", "b"),)), True, False),
    ],
)
def test_a_match_without_conditions_of_its_own_always_holds(match: Match, keyed: bool, always: bool) -> None:
    assert always is Matcher(match, keyed=keyed).always


@pytest.mark.parametrize(
    ("methods", "expected"), [((), True), (("GET",), True), (("POST", "GET"), True), (("POST",), False), (("get",), False)]
)
def test_one_of_the_methods_must_be_the_requests(methods: tuple[str, ...], expected: bool) -> None:
    assert expected is holds(Match(methods=methods), get())


@pytest.mark.parametrize(
    ("regex", "expected"), [("/a/[0-9]+", True), ("/a", False), ("/a/1", False), (".*", True), ("a/12", False), ("/A/12", False)]
)
def test_a_regex_matches_the_whole_path(regex: str, expected: bool) -> None:
    assert expected is holds(Match(path_regex=regex), get("/a/12?x=/a"))


def test_a_regex_sees_the_normalised_path() -> None:
    """Rule 42."""
    assert holds(Match(path_regex="/b"), get("/a/%2e%2e/%62"))


def test_a_broken_regex_refuses_the_plan() -> None:
    with pytest.raises(PlanRefused, match=r"path_regex '\(': "):
        Matcher(Match(path_regex="("), keyed=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("x-a", "1"),), True),
        ((("X-A", "1"),), True),
        ((("x-a", "2"),), True),
        ((("x-a", "1"), ("x-b", "")), True),
        ((("x-a", "1"), ("x-b", "3")), False),
        ((("x-a", "1, 2"),), False),
        ((("x-c", "1"),), False),
        ((("x-d", "é"),), True),
    ],
)
def test_every_header_must_have_the_value_in_one_of_its_lines(headers: tuple[tuple[str, str], ...], expected: bool) -> None:
    request = get("/", "X-A:1", "x-a:  2 ", "X-B:", "X-D: " + "é".encode().decode("latin-1"))

    assert expected is holds(Match(headers=headers), request)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ((("a", "1"),), True),
        ((("a", "2"),), True),
        ((("b", "x y"),), True),
        ((("c", "x y"),), True),
        ((("d", ""),), True),
        ((("e", "1=2"),), True),
        ((("é", "ö"),), True),
        ((("a", "1"), ("d", "")), True),
        ((("a", "1"), ("d", "1")), False),
        ((("A", "1"),), False),
        ((("f", ""),), False),
        ((("b", "x+y"),), False),
    ],
)
def test_every_query_parameter_must_be_there_decoded(query: tuple[tuple[str, str], ...], expected: bool) -> None:
    request = get("/?a=1&a=2&b=x%20y&c=x+y&d&e=1=2&%C3%A9=%c3%b6")

    assert expected is holds(Match(query=query), request)


def test_no_query_parameter_holds_without_a_query() -> None:
    assert not holds(Match(query=(("a", "1"),)), get("/"))


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "A.B:80", True),
        ("a.b", "x.a.b", False),
        ("*.b", "a.b", True),
        ("*.b", "x.a.b", True),
        ("*.b", "b", False),
        ("*.b", "ab", False),
    ],
)
def test_an_overrides_host_is_exact_or_a_suffix_of_whole_labels(pattern: str, host: str, expected: bool) -> None:
    assert expected is holds(Match(host=pattern), get(host=host))


@pytest.mark.parametrize(
    ("match", "target", "expected"),
    [
        (Match(path="/a"), "/a?b", True),
        (Match(path="/a"), "/a/", False),
        (Match(path_prefix="/a"), "/a", True),
        (Match(path_prefix="/a"), "/a/b", True),
        (Match(path_prefix="/a/"), "/a", True),
        (Match(path_prefix="/a"), "/ab", False),
        (Match(path_prefix="/a"), "/b/a", False),
        (Match(path_prefix="/"), "/b/a", True),
    ],
)
def test_an_overrides_path_is_exact_or_a_prefix_of_whole_segments(match: Match, target: str, expected: bool) -> None:
    assert expected is holds(match, get(target))


def test_a_keyed_match_does_not_look_at_host_and_path() -> None:
    """The table has looked them up."""
    assert holds(Match(host="other", path="/other", methods=("GET",)), get(), keyed=True)
