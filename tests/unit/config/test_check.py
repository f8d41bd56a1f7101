"""What refused values must not cause; the checks' own words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

from tests.kit.mistaken import refused

LISTENERS = "listeners: [{name: web, address: 127.0.0.1:8080}]\n"
SERVICES = "services: {shop: {versions: {v1: {endpoints: [127.0.0.1:9001]}}, target: v1}}\n"


def wrong(tmp_path: Path, text: str) -> list[str]:
    return refused(tmp_path, text)


def test_routes_whose_hosts_were_refused_are_not_called_alike(tmp_path: Path) -> None:
    routes = "routes: [{match: {host: 'a b'}, service: shop}, {match: {host: 'c d'}, service: shop}]"

    assert ["routes[0].match.host", "routes[1].match.host"] == wrong(tmp_path, LISTENERS + SERVICES + routes)


def test_a_route_to_a_service_that_was_refused_is_no_mistake(tmp_path: Path) -> None:
    services = "services: {shop: 1, blog: {versions: {v1: {endpoints: [127.0.0.1:9001]}}, target: v1}}\n"
    routes = "routes: [{match: {}, service: shop}]"

    assert ["services.shop"] == wrong(tmp_path, LISTENERS + services + routes)


def test_three_alike_routes_are_two_mistakes(tmp_path: Path) -> None:
    routes = "routes: [" + ", ".join(["{match: {host: a}, service: shop}"] * 3) + "]"

    assert ["routes[1].match", "routes[2].match"] == wrong(tmp_path, LISTENERS + SERVICES + routes)


def test_methods_in_another_order_are_the_same_match(tmp_path: Path) -> None:
    routes = "routes: [{match: {methods: [GET, PUT]}, service: shop}, {match: {methods: [PUT, GET]}, service: shop}]"

    assert ["routes[1].match"] == wrong(tmp_path, LISTENERS + SERVICES + routes)


def test_an_admin_address_that_was_refused_needs_no_token(tmp_path: Path) -> None:
    routes = "routes: [{match: {}, service: shop}]\nadmin: {address: 9900}"

    assert ["admin.address"] == wrong(tmp_path, LISTENERS + SERVICES + routes)


def test_the_name_of_a_service_that_was_refused_is_still_read(tmp_path: Path) -> None:
    services = "services: {'a b': 1}\n"

    assert ["routes", 'services."a b"', 'services."a b"'] == wrong(tmp_path, LISTENERS + services)
