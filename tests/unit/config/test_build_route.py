"""A route's shape into the model, and the model back into the file's form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy.config import effective, load
from proxy.config.build_route import shown_route
from proxy.model.intent import Intent
from proxy.model.route import AS_ASKED, AS_SERVICE, NO_RULES, Match, RateLimit, Route

HEAD = """
listeners: [{name: web, address: 127.0.0.1:8080}]
services: {shop: {versions: {v1: {endpoints: [127.0.0.1:9001]}}, target: v1}}
routes: [%s]
"""


def read(tmp_path: Path, route: str) -> Intent:
    file = tmp_path / "headgate.yaml"
    file.write_text(HEAD % route, encoding="utf-8")
    return load(file, env={})


ROUTES = [
    "{match: {}, service: shop}",
    "{match: {path_prefix: /a}, service: shop, rewrite: {prefix: /, host: 'b:81'}}",
    "{match: {}, service: shop, headers: {request: {set: {A: b}, add: {c: ''}, remove: [D]}, response: {remove: [server]}}}",
    "{match: {}, service: shop, timeouts: {idle: 5m}, body_limit: 1536KiB}",
    "{match: {}, service: shop, body_limit: 0, rate_limit: {requests: 5, per: 1m, key: 'header:X-A'}}",
    "{match: {}, service: shop, rate_limit: {requests: 5, burst: 1, key: none}}",
    "{match: {}, redirect: {scheme: https, host: a, status: 308}}",
    "{match: {}, redirect: {to: 'https://a/$${b}'}}",
]


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_shown_reads_back_to_the_same_route(tmp_path: Path, route: str) -> None:
    intent = read(tmp_path, route)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(effective(intent), sort_keys=False), encoding="utf-8")

    assert intent.routes == load(tmp_path / "again.yaml", env={}).routes


def test_a_plain_route_shows_nothing_but_where_it_leads() -> None:
    assert {"match": {"path": "/a"}, "service": "shop"} == shown_route(Route(Match(path="/a"), "shop"))


def test_a_plain_route_carries_the_very_defaults_so_that_messages_leave_them_out(tmp_path: Path) -> None:
    (route,) = read(tmp_path, ROUTES[0]).routes

    assert route.request_headers is NO_RULES
    assert route.response_headers is NO_RULES
    assert route.rewrite is AS_ASKED
    assert route.timeouts is AS_SERVICE


def test_a_burst_that_is_left_out_is_as_many_as_the_requests(tmp_path: Path) -> None:
    (route,) = read(tmp_path, "{match: {}, service: shop, rate_limit: {requests: 7}}").routes

    assert RateLimit(7, 1.0, 7) == route.rate_limit


def test_header_names_are_lower_cased_and_values_kept(tmp_path: Path) -> None:
    (route,) = read(tmp_path, ROUTES[2].replace("A: b", "X-A: Some Value")).routes

    assert (("x-a", "Some Value"),) == route.request_headers.set
    assert ("d",) == route.request_headers.remove
