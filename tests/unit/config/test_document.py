"""One file's tree and its places, with libyaml's parser and with PyYAML's own."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.config import document
from proxy.config.document import Mapping, Node, Plain, Scalar, Sequence, compose
from proxy.config.environment import Environment
from proxy.config.places import Mistakes, Place


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(document, "_Loader", getattr(yaml, request.param))


def tree(text: str | bytes) -> Node | None:
    mistakes = Mistakes()
    node = compose(text.encode() if isinstance(text, str) else text, "f.yaml", Environment({}), mistakes)
    assert [] == mistakes.found
    return node


def wrong(text: str | bytes) -> list[tuple[int, int]]:
    mistakes = Mistakes()
    compose(text.encode() if isinstance(text, str) else text, "f.yaml", Environment({}), mistakes)
    return [(mistake.line, mistake.column) for mistake in mistakes.found]


def at(node: Node | None, *path: str | int) -> Node:
    for part in path:
        if isinstance(part, str):
            assert isinstance(node, Mapping)
            node = node.entries[part][1]
        else:
            assert isinstance(node, Sequence)
            node = node.items[part]
    assert node is not None
    return node


@pytest.mark.usefixtures("_loader")
class TestBothParsers:
    def test_values_and_keys_know_their_places(self) -> None:
        root = tree("a:\n  - b: 1\n    ü: [x, 'y']\n")
        second = at(root, "a", 0)

        assert isinstance(second, Mapping)
        assert Place("f.yaml", 3, 5) == second.entries["ü"][0]
        assert Place("f.yaml", 3, 12) == at(second, "ü", 1).place

    def test_an_empty_file_has_no_tree(self) -> None:
        assert tree("# only a comment\n") is None

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("a: b: c\n", (1, 5)),
            ("a:\n\tb: 1\n", (2, 1)),
            ("a: @x\n", (1, 4)),
            ("a: 1\n b: 2\n", (2, 3)),
            ('é: "x\n', (1, 4)),
            ("- a\nb: 1\n", (2, 1)),
        ],
    )
    def test_broken_syntax_has_its_place(self, text: str, place: tuple[int, int]) -> None:
        assert [place] == wrong(text)

    def test_a_tab_in_the_indentation_is_called_a_tab(self) -> None:
        mistakes = Mistakes()
        compose(b"a:\n\tb: 1\n", "f.yaml", Environment({}), mistakes)

        assert "f.yaml:2:1: a: a tab cannot indent in YAML; use spaces" == str(mistakes.found[0])

    def test_every_duplicate_key_is_found(self) -> None:
        assert [(2, 1), (5, 3), (6, 3)] == wrong("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n  c: 3\n")

    @pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000])
    def test_deep_nesting_is_a_mistake_and_no_crash(self, text: str) -> None:
        assert 1 == len(wrong(text))

    def test_an_alias_chain_cannot_pass_the_depth(self) -> None:
        lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, limits.CONFIG_DEPTH_MAX + 1))]

        assert 1 == len(wrong("\n".join(lines)))

    def test_aliases_cannot_expand_without_bound(self) -> None:
        lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]

        assert 1 == len(wrong("\n".join(lines)))


def test_duplicate_keys_do_not_hide_what_follows() -> None:
    assert [(2, 1), (4, 1)] == wrong("a: 1\na: 2\nb: 1\nb: 2\n")


def test_a_merge_does_not_replace_what_is_given() -> None:
    root = tree("x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n")

    assert ["3", "2"] == [getattr(at(root, "y", key), "text", None) for key in ("a", "b")]


def test_a_merge_of_a_scalar_is_a_mistake() -> None:
    assert [(1, 5)] == wrong("y: {<<: 3}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.0e-05", 0.00001),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("0x1F", "0x1F"),
        ("2.3.0", "2.3.0"),
        ("2024-01-31", "2024-01-31"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_text_is_read_by_the_core_schema(text: str, value: object) -> None:
    assert (type(value), value) == (type(Plain(text).value), Plain(text).value)


@pytest.mark.parametrize(("text", "plain"), [("1", True), ("'1'", False), ('"1"', False), ("!!str 1", False), ("!!int '1'", True)])
def test_quotes_and_tags_decide_whether_text_is_plain(text: str, plain: bool) -> None:
    node = tree(text)

    assert isinstance(node, Scalar)
    assert plain == isinstance(node.text, Plain)


def test_bytes_that_are_not_utf8_have_their_place() -> None:
    assert [(2, 5)] == wrong("ä: 1\nbü: ".encode() + b"\xff")


def test_a_control_character_has_its_place() -> None:
    assert [(2, 4)] == wrong("a: 1\nb: \x01")


def test_a_byte_order_mark_is_left_out() -> None:
    assert isinstance(tree(b"\xef\xbb\xbfa: 1\n"), Mapping)


def test_an_unset_variable_leaves_a_gap_that_is_told_once() -> None:
    mistakes = Mistakes()
    root = compose(b"a: ${NOPE}\nb: 1\n", "f.yaml", Environment({}), mistakes)

    assert 1 == len(mistakes.found)
    assert getattr(at(root, "a"), "text", "") is None


def test_a_substituted_plain_scalar_is_read_again() -> None:
    root = compose(b"a: ${N}\nb: '${N}'\n", "f.yaml", Environment({"N": "12"}), Mistakes())
    a, b = at(root, "a"), at(root, "b")

    assert isinstance(a, Scalar)
    assert isinstance(b, Scalar)
    assert (12, False) == (a.text.value if isinstance(a.text, Plain) else None, isinstance(b.text, Plain))


def test_a_substituted_value_cannot_add_structure() -> None:
    root = compose(b"a: ${N}\n", "f.yaml", Environment({"N": "{b: 1}\nc: 2"}), Mistakes())

    assert "{b: 1}\nc: 2" == getattr(at(root, "a"), "text", None)


@given(st.text("ab:- \n\t[]{}&*!|>'\"#%@`$,?<", max_size=40))
def test_no_text_raises(text: str) -> None:
    compose(text.encode(), "f.yaml", Environment({}), Mistakes())


@given(st.binary(max_size=30))
def test_no_bytes_raise(data: bytes) -> None:
    compose(data, "f.yaml", Environment({}), Mistakes())
