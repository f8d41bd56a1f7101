from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.config import json_schema, schema


def parts() -> Iterator[type[schema.Part]]:
    yield from (value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, schema.Part))


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for child in node.values():
            yield from objects(child)


def test_the_schema_is_json() -> None:
    assert json_schema() == json.loads(json.dumps(json_schema()))


def test_the_schema_says_what_it_is() -> None:
    shown = json_schema()

    assert ("https://json-schema.org/draft/2020-12/schema", "headgate configuration") == (shown["$schema"], shown["title"])


def test_every_key_is_described() -> None:
    definitions = json_schema()["$defs"]
    bare = [
        f"{found['title']}.{key}"
        for found in objects(json_schema())
        for key, value in found["properties"].items()
        if len(value.get("description") or definitions[value["$ref"].rpartition("/")[2]].get("description", "")) < 10
    ]

    assert [] == bare


def test_no_mapping_of_the_schema_takes_unknown_keys() -> None:
    assert [] == [found["title"] for found in objects(json_schema()) if found["additionalProperties"] is not False]


def test_the_schema_never_says_null() -> None:
    assert "null" not in json.dumps(json_schema())


def test_the_schema_requires_what_the_reader_requires() -> None:
    assert ["listeners", "services", "routes"] == json_schema()["required"]


@pytest.mark.parametrize("part", list(parts()), ids=lambda part: part.__name__)
def test_every_type_is_known_where_it_is_named(part: type[schema.Part]) -> None:
    """A type that is named before it is there is read all the same, and then cannot be spoken of in a mistake."""
    assert [] == [name for name, info in part.model_fields.items() if "ForwardRef" in repr(info.annotation)]


def test_defaults_are_shown_in_the_files_own_form() -> None:
    properties = json_schema()["properties"]

    assert "25s" == properties["drain_timeout"]["default"]
