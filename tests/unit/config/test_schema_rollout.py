"""What a plan may say; the rest of the schema's promises are held for all of its parts by ``test_schema``."""

from __future__ import annotations

import msgspec

from proxy.config import json_schema, schema, schema_rollout
from proxy.config.part import Part
from proxy.model.rollout import Guard, RolloutPlan


def test_every_part_of_a_plan_is_known_to_the_schema() -> None:
    parts = [name for name, value in vars(schema_rollout).items() if isinstance(value, type) and issubclass(value, Part)]

    assert [] == [name for name in parts if not hasattr(schema, name)]


def test_a_plan_has_a_key_for_everything_of_the_model() -> None:
    keys = {info.alias or name for name, info in schema_rollout.Rollout.model_fields.items()}
    model = {field.removesuffix("_s") for field in RolloutPlan.__struct_fields__} - {"rolling"}

    assert model == keys - {"batch", "min_ready", "slow_start", "ready_timeout", "on_unhealthy"}


def test_a_guard_has_a_key_for_everything_of_the_model() -> None:
    model = {field.removesuffix("_s") for field in Guard.__struct_fields__}

    assert model == set(schema_rollout.Guard.model_fields)


def test_defaults_are_those_of_the_model() -> None:
    given = schema_rollout.Guard()

    assert Guard() == Guard(
        **{field.name: getattr(given, field.name.removesuffix("_s")) for field in msgspec.structs.fields(Guard)}
        | {"failures": tuple(given.failures)}
    )  # type: ignore[arg-type]  # fields of one name


def test_a_gate_is_described_as_a_word_or_a_mapping() -> None:
    word, mapping = json_schema()["$defs"]["Gate"]["anyOf"]

    assert ({"const": "manual"}, ["url"]) == (word, mapping["required"])
