"""Endpoints name themselves; a service finds its versions."""

from __future__ import annotations

import pytest

from proxy.model.service import Endpoint, Service, Version


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (Endpoint("127.0.0.1", 9001), "127.0.0.1:9001"),
        (Endpoint("::1", 80), "[::1]:80"),
        (Endpoint(unix="/run/app.sock"), "unix:/run/app.sock"),
    ],
)
def test_an_endpoint_is_named_as_an_operator_would_write_it(endpoint: Endpoint, name: str) -> None:
    assert name == endpoint.name


def test_an_address_with_tls_and_without_is_labelled_as_two() -> None:
    assert ["a:80", "https://a:80"] == [Endpoint("a", 80, tls=tls).label for tls in (False, True)]


def test_a_service_finds_its_versions_by_name() -> None:
    v1 = Version("v1", (Endpoint("127.0.0.1", 9001),))
    service = Service("shop", (v1,), target="v1")

    assert (v1, None) == (service.version("v1"), service.version("v2"))
