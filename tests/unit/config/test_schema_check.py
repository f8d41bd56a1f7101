"""What checks and hooks may say; the rest of the schema's promises are held for all of its parts by ``test_schema``."""

from __future__ import annotations

from proxy.config import schema, schema_check
from proxy.config.part import Part
from proxy.model.rollout import Check, Hook, HttpQuery, PrometheusQuery


def keys(part: type[Part]) -> set[str]:
    return {info.alias or name for name, info in part.model_fields.items()}


def fields(model: type[Check] | type[Hook] | type[HttpQuery] | type[PrometheusQuery]) -> set[str]:
    return {field.removesuffix("_s") for field in model.__struct_fields__}


def test_every_part_is_known_to_the_schema() -> None:
    parts = [name for name, value in vars(schema_check).items() if isinstance(value, type) and issubclass(value, Part)]

    assert [] == [name for name in parts if not hasattr(schema, name)]


def test_a_check_has_a_key_for_everything_of_the_model() -> None:
    assert fields(Check) == keys(schema_check.Check)


def test_a_hook_has_a_key_for_everything_of_the_model() -> None:
    assert fields(Hook) == keys(schema_check.Hook)


def test_what_is_asked_outside_has_its_limits_beside_it() -> None:
    asked = [(HttpQuery, schema_check.HttpCheck), (PrometheusQuery, schema_check.PrometheusCheck)]

    assert [fields(model) | {"max", "min"} for model, _ in asked] == [keys(part) for _, part in asked]
