"""Matches of overrides are checked as those of routes are; the words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import ConfigInvalid, load

TEXT = """\
listeners: [{name: web, address: 127.0.0.1:8080}]
services:
  shop:
    versions: {v1: {endpoints: [127.0.0.1:9001]}}
    target: v1
    overrides: [{match: MATCH, version: v1}]
routes: [{match: MATCH, service: shop}]
"""


@pytest.mark.parametrize(
    ("match", "key"),
    [
        ("{path: /a, path_regex: /a}", "path_regex"),
        ("{path_regex: /a, path_prefix: /a}", "path_prefix"),
        ("{methods: [GET, PUT, GET]}", "methods[2]"),
        ("{headers: {'a b': x}}", 'headers."a b"'),
        ("{headers: {a: x, A: y}}", "headers.A"),
        ("{query: {'': x}}", 'query.""'),
        ("{path: a, path_prefix: /a}", "path_prefix"),
    ],
)
def test_a_match_is_checked_wherever_it_stands(tmp_path: Path, match: str, key: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(TEXT.replace("MATCH", match))

    with pytest.raises(ConfigInvalid) as raised:
        load(file, env={})

    found = {mistake.key for mistake in raised.value.mistakes}
    assert {f"services.shop.overrides[0].match.{key}", f"routes[0].match.{key}"} <= found
