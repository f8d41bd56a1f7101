"""What a route may say; the rest of the schema's promises are held for all of its parts by ``test_schema``."""

from __future__ import annotations

from proxy.config import schema, schema_route
from proxy.config.part import Part


def test_every_part_of_a_route_is_known_to_the_schema() -> None:
    parts = [name for name, value in vars(schema_route).items() if isinstance(value, type) and issubclass(value, Part)]

    assert [] == [name for name in parts if not hasattr(schema, name)]
