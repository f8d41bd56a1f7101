"""How mistakes of shape are told, and that one does not hide the next; their words are golden cases of the conformance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import merge
from proxy.config.schema import File
from proxy.config.shape import NOT_SERVED, Shaped, shape


def read(tmp_path: Path, text: str) -> merge.Document:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return merge.read(file, env={})


def shaped(tmp_path: Path, text: str) -> tuple[Shaped, list[str]]:
    document = read(tmp_path, text)
    result = shape(document)
    return result, [mistake.key for mistake in document.mistakes.found]


GOOD = """\
listeners: [{name: web, address: "127.0.0.1:8080"}]
services: {shop: {versions: {v1: {endpoints: ["127.0.0.1:9001"]}}, target: v1}}
routes: [{match: {host: a}, service: shop}, {match: {}, service: shop}]
"""


def test_a_good_file_is_whole(tmp_path: Path) -> None:
    result, keys = shaped(tmp_path, GOOD)

    assert ([], True) == (keys, result.whole(()))


def test_a_refused_value_leaves_a_gap_above_which_nothing_is_whole(tmp_path: Path) -> None:
    result, _ = shaped(tmp_path, GOOD.replace("host: a", "host: 'a b'"))

    paths = [(), ("routes",), ("routes", 0), ("routes", 0, "match"), ("routes", 0, "match", "host"), ("routes", 1)]
    assert [False, False, False, False, False, True] == [result.whole(path) for path in paths]


def test_a_refused_item_keeps_the_indexes_of_the_others(tmp_path: Path) -> None:
    result, _ = shaped(tmp_path, GOOD.replace("{match: {host: a}, service: shop}", "nothing"))

    assert [True, False] == [route is None for route in result.file.routes]


def test_a_mistake_in_every_section_is_told(tmp_path: Path) -> None:
    _, keys = shaped(tmp_path, "listeners: 1\nservices: 2\nroutes: 3\nworkers: x\nadmin: 4\n")

    assert {"listeners", "services", "routes", "workers", "admin"} == set(keys)


def test_a_required_value_that_was_refused_is_told_once(tmp_path: Path) -> None:
    _, keys = shaped(tmp_path, GOOD.replace('["127.0.0.1:9001"]', "9001"))

    assert ["services.shop.versions.v1.endpoints"] == keys


def test_a_required_value_that_needs_an_unset_variable_is_told_once(tmp_path: Path) -> None:
    _, keys = shaped(tmp_path, GOOD.replace("target: v1", "target: v1, sticky: {by: '${NOPE}'}"))

    assert ["services.shop.sticky.by"] == keys


@pytest.mark.parametrize("text", ["{}", "routes: [[], {}, {match: []}]", "services: {a: {versions: {b: {endpoints: [[], {}]}}}}"])
def test_whatever_is_given_something_is_read(tmp_path: Path, text: str) -> None:
    result, keys = shaped(tmp_path, text)

    assert keys
    assert [] == [route for route in result.file.routes if route is not None]


def test_a_section_that_is_not_served_is_told_from_a_slip_of_the_pen(tmp_path: Path) -> None:
    document = read(tmp_path, GOOD.replace("target: v1", "target: v1, flags: {}") + "flags: {}\nflagz: {}\n")
    shape(document)

    assert {"flags": True, "flagz": False, "services.shop.flags": False} == {
        mistake.key: "not served" in mistake.text for mistake in document.mistakes.found
    }


def test_no_section_of_the_schema_is_refused() -> None:
    assert set() == NOT_SERVED & File.model_fields.keys()
