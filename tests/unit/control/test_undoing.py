"""Which version an undo means."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.control.events import UnknownName
from proxy.control.undoing import undone_to
from proxy.errors import OperatorError
from proxy.model.position import Position, Revision
from tests.kit.control_bench import service


def revision(number: int, stable: str) -> Revision:
    return Revision("shop", number, 1.0, "promoted", "", {}, "", Position("shop", stable))


SHOP = service("v3", "v1", "v2", "v3", "7")
NOW = Position("shop", "v3", previous="v2")
HISTORY = [revision(9, "v3"), revision(8, "v3"), revision(7, "v2"), revision(6, "v2"), revision(5, "v1")]


def test_without_a_word_it_is_the_version_before() -> None:
    assert "v2" == undone_to(SHOP, NOW, HISTORY, "").name


def test_where_the_position_does_not_say_the_history_does() -> None:
    assert "v2" == undone_to(SHOP, replace(NOW, previous=""), HISTORY, "").name


def test_a_version_is_meant_by_its_name() -> None:
    assert "v1" == undone_to(SHOP, NOW, HISTORY, "v1").name


def test_a_revision_means_what_was_stable_after_it() -> None:
    assert "v1" == undone_to(SHOP, NOW, HISTORY, "5").name


def test_a_version_whose_name_is_a_number_comes_before_a_revision() -> None:
    assert "7" == undone_to(SHOP, NOW, HISTORY, "7").name


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("v9", "service shop has no version 'v9'; it has v1, v2, v3, 7, and its history has revisions 5 to 9"),
        ("4", "service shop has no revision 4; its history has revisions 5 to 9, and its versions are v1, v2, v3, 7"),
        ("²", "service shop has no version '²'; it has"),
    ],
)
def test_what_there_is_not_is_answered_with_what_there_is(to: str, text: str) -> None:
    with pytest.raises(UnknownName) as refused:
        undone_to(SHOP, NOW, HISTORY, to)

    assert str(refused.value).startswith(text)


def test_a_version_that_has_left_the_configuration_is_named_with_the_reason() -> None:
    with pytest.raises(
        UnknownName, match="v2 was stable before v3, and is no longer in the configuration; put it back, or choose of v1"
    ):
        undone_to(service("v3", "v1", "v3"), NOW, HISTORY, "")


def test_where_nothing_was_before_there_is_nothing_to_undo() -> None:
    with pytest.raises(OperatorError, match=r"shop: nothing to undo: no version was stable before v3 since revision 8; name one: v1"):
        undone_to(SHOP, replace(NOW, previous=""), HISTORY[:2], "")


def test_a_service_without_history_says_so() -> None:
    with pytest.raises(UnknownName, match="its history is empty"):
        undone_to(SHOP, NOW, [], "4")
