"""Where clients are sent, and that they cannot choose it themselves."""

from __future__ import annotations

import pytest

from proxy.dataplane.redirecting import Redirection
from proxy.errors import PlanRefused
from proxy.model.route import Redirect
from proxy.wire.request import Starts, new_table, parse


def location(plan: Redirect, target: str = "/a/b?c=d", host: str = "Shop.example:8080") -> str:
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n" if host else f"GET {target} HTTP/1.0\r\n\r\n"
    return Redirection(plan).location(parse(head.encode(), Starts(), new_table())).decode()


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Redirect(to="https://new.example/x?y#z"), "https://new.example/x?y#z"),
        (Redirect(scheme="https"), "https://shop.example/a/b?c=d"),
        (Redirect(scheme="https", host="h:8443"), "https://h:8443/a/b?c=d"),
        (Redirect(host="h"), "//h/a/b?c=d"),
        (Redirect(host="h", path="/p"), "//h/p?c=d"),
        (Redirect(path="/p"), "/p?c=d"),
    ],
)
def test_parts_that_are_given_replace_the_clients(plan: Redirect, expected: str) -> None:
    assert expected == location(plan)


@pytest.mark.parametrize("plan", [Redirect(scheme="https"), Redirect(host="h"), Redirect(path="/p")])
def test_a_client_cannot_name_another_host_in_its_path(plan: Redirect) -> None:
    sent = location(plan, "//evil.example/%2e%2e/x")

    assert sent.startswith(("https://shop.example/", "//h/", "/p"))


def test_without_a_host_there_is_nowhere_to_go_by_scheme_alone() -> None:
    assert "" == location(Redirect(scheme="https"), host="")
    assert "/p" == location(Redirect(path="/p"), "/x", host="")


@pytest.mark.parametrize("plan", [Redirect(to="https://a/\r\nb: c"), Redirect(host="a b"), Redirect(path="//evil"), Redirect(path="x")])
def test_a_redirect_that_would_break_the_answer_refuses_the_plan(plan: Redirect) -> None:
    with pytest.raises(PlanRefused):
        Redirection(plan)
