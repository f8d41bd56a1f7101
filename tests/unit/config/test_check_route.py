"""What takes two places of one route; the words themselves are golden cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.wire.headers import UNRULED_REQUEST, UNRULED_RESPONSE
from tests.kit.mistaken import refused

HEAD = """
listeners: [{name: web, address: 127.0.0.1:8080}]
services: {shop: {versions: {v1: {endpoints: [127.0.0.1:9001]}}, target: v1}}
routes: [%s]
"""


def mistakes(tmp_path: Path, route: str) -> list[str]:
    return refused(tmp_path, HEAD % route)


@pytest.mark.parametrize("verb", ["set: {%s: a}", "add: {%s: a}", "remove: [%s]"])
@pytest.mark.parametrize("name", sorted(name.decode() for name in UNRULED_REQUEST))
def test_no_rule_touches_what_frames_a_request(tmp_path: Path, name: str, verb: str) -> None:
    assert 1 == len(mistakes(tmp_path, "{match: {}, service: shop, headers: {request: {%s}}}" % (verb % name.title())))


@pytest.mark.parametrize("name", sorted(name.decode() for name in UNRULED_RESPONSE))
def test_no_rule_touches_what_frames_an_answer(tmp_path: Path, name: str) -> None:
    assert 1 == len(mistakes(tmp_path, f"{{match: {{}}, service: shop, headers: {{response: {{remove: [{name}]}}}}}}"))


@pytest.mark.parametrize("key", ["headers: {}", "rewrite: {}", "timeouts: {}", "body_limit: 0", "rate_limit: {requests: 1}"])
def test_a_redirect_stands_alone(tmp_path: Path, key: str) -> None:
    name = key.partition(":")[0]

    assert [f"routes[0].{name}"] == mistakes(tmp_path, f"{{match: {{}}, redirect: {{path: /a}}, {key}}}")


@pytest.mark.parametrize("match", ["path: /a", "path_prefix: /a"])
def test_a_prefix_can_be_rewritten_where_one_matched(tmp_path: Path, match: str) -> None:
    assert [] == mistakes(tmp_path, f"{{match: {{{match}}}, service: shop, rewrite: {{prefix: /}}}}")


def test_a_host_can_be_rewritten_whatever_matched(tmp_path: Path) -> None:
    assert [] == mistakes(tmp_path, "{match: {path_regex: /a}, service: shop, rewrite: {host: a}}")
