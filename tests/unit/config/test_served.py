from __future__ import annotations

import pytest

from proxy.config import schema, served


def test_only_what_is_served_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(served.NOT_SERVED, "Guard", frozenset({"alpha"}))

    assert {"ratio": 2} == served.only_served("Guard", {"alpha": 1, "ratio": 2})


@pytest.mark.parametrize("part", list(served.NOT_SERVED))
def test_what_is_not_served_belongs_to_a_mapping_of_the_schema(part: str) -> None:
    assert hasattr(schema, part)


def test_words_that_are_not_served_have_a_key_of_the_schema() -> None:
    keys = {info.alias or name for part in (schema.Rollout, schema.Step, schema.Guard) for name, info in part.model_fields.items()}

    assert set() == set(served.NOT_SERVED_WORDS) - keys
