from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import merge
from proxy.config.document import Scalar
from proxy.config.merge import Document
from proxy.config.places import ConfigInvalid, Place


def directory(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text)
    return path


def read(path: Path, *overrides: tuple[str, str], **env: str) -> Document:
    return merge.read(path, env=env, overrides=overrides)


def text(document: Document, *path: str | int) -> str | None:
    node = document.node(path)
    assert isinstance(node, Scalar)
    return node.text


def told(document: Document, root: Path) -> list[str]:
    return [str(mistake).replace(f"{root}/", "") for mistake in document.mistakes.found]


def test_lists_of_the_top_level_concatenate_in_name_order(tmp_path: Path) -> None:
    document = read(directory(tmp_path, b="routes: [two]", a="routes: [one]"))

    assert ["one", "two"] == [text(document, "routes", index) for index in (0, 1)]


def test_a_value_keeps_the_place_in_its_own_file(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="routes: [one]", b="\nroutes: [two]"))

    assert Place(str(tmp_path / "b.yaml"), 2, 10) == document.place(("routes", 1))


def test_services_merge_by_name(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="services: {one: 1}", b="services: {two: 2}"))

    assert ("one", "two") == document.keys(("services",))


def test_the_same_service_in_two_files_names_both_places(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="services: {one: 1}", b="services: {one: 2}"))

    assert ["b.yaml:1:12: services.one: is given twice; it was given first at a.yaml:1:12. Keep one of the two"] == told(
        document, tmp_path
    )


def test_the_same_scalar_in_two_files_names_both_places(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="workers: 1", b="workers: 1"))

    assert ["b.yaml:1:1: workers: is given twice; it was given first at a.yaml:1:1. Keep one of the two"] == told(document, tmp_path)


def test_merging_does_not_change_what_an_alias_shares(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="routes: &r [one]\nlisteners: *r", b="routes: [two]"))

    assert document.node(("listeners", 1)) is None


def test_broken_syntax_in_every_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        read(directory(tmp_path, a="a: [", b="b: {", c="workers: 1"))

    assert ["a.yaml", "b.yaml"] == [Path(mistake.file).name for mistake in raised.value.mistakes]


def test_an_override_replaces_a_value_and_says_where_it_came_from(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="state: {path: x}"), ("state.path", "y"))

    assert ("y", Place("--set")) == (text(document, "state", "path"), document.place(("state", "path")))


def test_an_override_makes_the_mappings_on_its_way(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="workers: 1"), ("services.shop.target", "v2"))

    assert "v2" == text(document, "services", "shop", "target")


def test_an_override_does_not_change_what_an_alias_shares(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="one: &o {a: {b: 1}}\ntwo: *o"), ("two.a.b", "2"))

    assert ["1", "2"] == [text(document, name, "a", "b") for name in ("one", "two")]


def test_an_override_reads_the_environment(tmp_path: Path) -> None:
    assert "x1" == text(read(directory(tmp_path, a=""), ("state.path", "x${N}"), N="1"), "state", "path")


def test_an_override_at_the_lists_end_appends(tmp_path: Path) -> None:
    assert "two" == text(read(directory(tmp_path, a="a: [one]"), ("a[1]", "two")), "a", 1)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a..b", "--set: 'a..b' is not a key path; write it like services.shop.rollout.steps[2].weight"),
        ("a[2]", "--set: a[2]: a is a list of 1; name an item by its index, [0] to [1] (the last one appends)"),
        ("a.b", "--set: a.b: a is a list of 1; name an item by its index, [0] to [1] (the last one appends)"),
        ("s.x", "--set: s.x: s is a single value; nothing can be set inside it"),
        ("m[0]", "--set: m[0]: m is a mapping; [0] names no key of it"),
    ],
)
def test_an_override_that_names_nothing_is_a_mistake(tmp_path: Path, key: str, words: str) -> None:
    document = read(directory(tmp_path, a="a: [one]\ns: 1\nm: {}"), (key, "1"))

    assert [words] == told(document, tmp_path)


def test_an_override_with_an_unset_variable_is_a_mistake(tmp_path: Path) -> None:
    (mistake,) = told(read(directory(tmp_path, a=""), ("state.path", "${NOPE}")), tmp_path)

    assert mistake.startswith("--set: state.path: needs the environment variable NOPE")


def test_a_missing_key_is_placed_at_the_nearest_thing_above_it(tmp_path: Path) -> None:
    document = read(directory(tmp_path, a="services:\n  shop:\n    target: v1\n"))

    assert (2, 3) == document.place(("services", "shop", "rollout", "steps"))[1:]


@pytest.mark.parametrize(
    ("overrides", "env"), [((), {"N": "2"}), ((("workers", "3"),), {"N": "1"})], ids=["the environment", "an override"]
)
def test_the_digest_covers_more_than_the_bytes(tmp_path: Path, overrides: tuple[tuple[str, str], ...], env: dict[str, str]) -> None:
    path = directory(tmp_path, a="workers: ${N}")

    assert read(path, N="1").digest != merge.read(path, env=env, overrides=overrides).digest


def test_the_digest_leaves_out_what_was_not_read(tmp_path: Path) -> None:
    path = directory(tmp_path, a="workers: ${N}")

    assert read(path, N="1", HOME="/a").digest == read(path, N="1", HOME="/b").digest


def test_the_digest_does_not_depend_on_the_place(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(read(directory(tmp_path / name, a="workers: 1")).digest)

    assert 1 == len(digests)
