"""Who plays where, and with what configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from loadtest.casts import cast, default, workers
from loadtest.contenders import caddy, envoy, haproxy, headgate, nginx, traefik
from loadtest.contenders.site import Site
from loadtest.scenarios import PRODUCTION, SCENARIOS, STICKY
from loadtest.setting import PLAIN, Setting


def names(scenario: str) -> list[str]:
    return [each.name for each in cast(SCENARIOS[scenario], default())]


def site(setting: Setting, folder: Path = Path("/tmp/site")) -> Site:
    return Site(folder, 8000, 8001, (9001, 9002), setting, Path("/tmp/site.pem"), Path("/tmp/site.key"))


def test_everybody_plays_in_the_plain_ones() -> None:
    assert [each.name for each in default()] == names("small-get")


@pytest.mark.parametrize("scenario", ["tls", "sticky", "production", "idle-10k"])
def test_floors_are_not_where_more_than_bytes_are_moved(scenario: str) -> None:
    assert ["headgate", "nginx", "haproxy", "envoy", "caddy", "traefik", "aiohttp"] == names(scenario)


def test_growth_is_of_headgate_alone() -> None:
    assert ["headgate", "headgate, 100 routes", "headgate, 10,000 routes", "headgate, 100 versions"] == names("growth")


def test_two_workers_are_given_two_cores() -> None:
    variants = cast(SCENARIOS["workers"], default())

    assert [("headgate", 1), ("headgate, 2 workers", 2), ("nginx", 1)] == [(each.name, workers(each)) for each in variants[:3]]


def test_a_variant_is_another_configuration(tmp_path: Path) -> None:
    variant = {each.name: each for each in cast(SCENARIOS["growth"], default())}["headgate, 100 routes"]
    variant.launch(site(PLAIN, tmp_path))

    assert 100 == len(yaml.safe_load((tmp_path / "headgate.yaml").read_text())["routes"])


def test_headgate_is_sticky_and_logs_in_production() -> None:
    told = yaml.safe_load(headgate.configuration(site(PRODUCTION)))

    assert ({"by": "cookie", "name": "session"}, {"path": "/tmp/site/access.log"}) == (
        told["services"]["shop"]["sticky"],
        told["access_log"],
    )


@pytest.mark.parametrize("text", [nginx.configuration, haproxy.configuration, lambda s: json.dumps(envoy.bootstrap(s))])
def test_peers_hash_the_session_where_users_stick(text: object) -> None:
    assert callable(text)
    assert [True, False] == ["session" in text(site(setting)) for setting in (STICKY, PLAIN)]


def test_peers_that_cannot_hash_a_session_set_a_cookie() -> None:
    sticky = traefik.dynamic_part(site(STICKY))["http"]["services"]["split"]["weighted"]["sticky"]
    policy = caddy.proxy(site(STICKY))["load_balancing"]["selection_policy"]

    assert ("version", "version") == (sticky["cookie"]["name"], policy["name"])


@pytest.mark.parametrize(
    "text",
    [
        headgate.configuration,
        nginx.configuration,
        haproxy.configuration,
        lambda s: json.dumps(envoy.bootstrap(s)),
        lambda s: json.dumps(caddy.configuration(s)),
        lambda s: json.dumps(traefik.dynamic_part(s)),
    ],
)
def test_everybody_has_the_certificate_where_there_is_tls(text: object) -> None:
    assert callable(text)
    assert [True, False] == ["/site.pem" in text(site(setting)) for setting in (replace(PLAIN, tls=True), PLAIN)]
