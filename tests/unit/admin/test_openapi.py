"""The API's description is true: it has every route that there is, and no other."""

from __future__ import annotations

import msgspec
import pytest

from proxy.admin import app, openapi
from proxy.admin.access import Gate
from proxy.model.intent import Admin
from tests.kit.control_bench import bench

METHODS = {"GET", "POST"}


@pytest.mark.asyncio
async def test_every_route_is_described_and_every_description_is_a_route() -> None:
    async with bench() as b:
        routes = app.build(b.control, Gate(Admin(), None)).router.routes()
        there = {(route.method, route.resource.canonical) for route in routes if route.resource and route.method in METHODS}
    described = {
        (method.upper(), path) for path, item in openapi.document()["paths"].items() for method in item if method in ("get", "post")
    }

    assert there == described


def test_every_parameter_of_a_path_is_described() -> None:
    for path, item in openapi.document()["paths"].items():
        operation = item.get("get") or item["post"]
        named = {p["name"] for p in (*item.get("parameters", ()), *operation.get("parameters", ())) if p["in"] == "path"}

        assert {part[1:-1] for part in path.split("/") if part.startswith("{")} == named


@pytest.mark.parametrize("verb", sorted(openapi.VERB_BODIES))
def test_a_verbs_body_has_the_fields_that_are_read(verb: str) -> None:
    fields = {field.name for field in msgspec.structs.fields(app._BODIES[verb])}
    required = {field.encode_name for field in msgspec.structs.fields(app._BODIES[verb]) if field.required}

    assert (fields, required) == (
        set(openapi.VERB_BODIES[verb]["properties"]),
        set(openapi.VERB_BODIES[verb].get("required", ())),
    )


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()
    text = msgspec.json.encode(document).decode()
    for reference in {part.split('"')[0] for part in text.split('"$ref":"')[1:]}:
        found = document
        for key in reference.removeprefix("#/").split("/"):
            found = found[key]

        assert found
