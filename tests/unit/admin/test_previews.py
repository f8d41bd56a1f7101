from __future__ import annotations

import json

from msgspec.structs import replace

from proxy.admin.previews import preview_view
from proxy.control.preview import preview
from proxy.model.route import Match, Route
from tests.kit.control_bench import intent, service

OLD = intent(service(), routes=(Route(Match(), "shop"),))


def test_a_preview_is_shown_in_the_files_own_form() -> None:
    new = replace(OLD, routes=(Route(Match(path="/a", headers=(("x-b", "1"),)), "shop"),), workers=3)
    shown = preview_view(preview(OLD, new, {}, 0.0, route_rps={Match(): 2.0}, service_rps={}), "a", "b")

    assert [("removed", "*/*", {}, 2.0), ("added", "*/a", {"path": "/a", "headers": {"x-b": "1"}}, None)] == [
        (route["change"], route["route"], route["match"], route["rps"]) for route in shown["routes"]
    ]
    assert [{"key": "workers", "before": 1, "after": 3}] == shown["other"]


def test_a_preview_is_json() -> None:
    new = replace(OLD, services=(service("v2", "v2", "v3"),))
    shown = preview_view(preview(OLD, new, {}, 0.0, route_rps={}, service_rps={"shop": 1.0}), "a", "b")

    assert list(shown) == list(json.loads(json.dumps(shown)))
    assert [("added", "v3")] == [(v["change"], v["version"]) for v in shown["services"][0]["versions"] if v["version"] == "v3"]
