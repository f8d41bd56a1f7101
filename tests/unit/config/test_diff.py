from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.config import build, diff
from proxy.config.diff import Difference, RouteChange, changes, leads_to
from proxy.model.intent import AccessLog, Intent, Notification
from proxy.model.rollout import Check, Guard, RolloutPlan, WeightStep
from proxy.model.route import Match, Redirect, Route, RouteTimeouts
from proxy.model.service import Endpoint, Version
from tests.kit.control_bench import intent, service

ALL, API = Match(), Match(path_prefix="/api")
OLD = intent(service("v1", "v1", "v2"))


def routed(*routes: Route, old: Intent = OLD) -> Intent:
    return replace(old, routes=routes)


def of_service(new: Intent, old: Intent = OLD) -> list[tuple[str, object, object]]:
    (change,) = changes(old, new).services
    return [(found.key, found.before, found.after) for found in change.differences]


def test_the_same_configuration_has_no_changes() -> None:
    assert changes(OLD, replace(OLD, digest="other")).none


def test_routes_and_services_that_are_alike_are_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((build, "shown_route"), (build, "shown_service"), (diff, "_ruled"), (diff, "shown_service")):
        monkeypatch.setattr(module, name, lambda _: pytest.fail("10,000 of them take a while"))

    assert ["workers"] == [found.key for found in changes(OLD, replace(OLD, workers=3)).rest]


def test_routes_come_and_go_by_what_they_match() -> None:
    old, new = routed(Route(ALL, "shop")), routed(Route(API, "shop"))

    assert (RouteChange("removed", ALL, "shop", ""), RouteChange("added", API, "", "shop")) == changes(old, new).routes


def test_a_route_to_another_service_has_moved() -> None:
    assert (RouteChange("moved", ALL, "shop", "blog"),) == changes(routed(Route(ALL, "shop")), routed(Route(ALL, "blog"))).routes


def test_a_route_that_does_something_else_has_changed() -> None:
    new = Route(ALL, "shop", timeouts=RouteTimeouts(response_s=2.0), body_limit=1024)
    (change,) = changes(routed(Route(ALL, "shop")), routed(new)).routes

    assert ("changed", (Difference("timeouts", None, {"response": "2s"}), Difference("body_limit", None, "1KiB"))) == (
        change.how,
        change.differences,
    )


def test_the_order_of_routes_and_of_methods_is_no_change() -> None:
    get_put, put_get = Match(methods=("GET", "PUT")), Match(methods=("PUT", "GET"))

    assert () == changes(routed(Route(ALL, "a"), Route(get_put, "a")), routed(Route(put_get, "a"), Route(ALL, "a"))).routes


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (Route(ALL, "shop"), "shop"),
        (Route(ALL, "", redirect=Redirect(to="https://new.example.com/")), "redirect to https://new.example.com/"),
        (Route(ALL, "", redirect=Redirect(scheme="https", host="b")), "redirect to another scheme and host"),
    ],
)
def test_where_a_route_leads_is_said_in_words(route: Route, words: str) -> None:
    assert words == leads_to(route)


def test_services_come_and_go() -> None:
    found = changes(OLD, replace(OLD, services=(service(name="blog"),))).services

    assert [("removed", "shop"), ("added", "blog")] == [(change.how, change.service) for change in found]


def test_versions_and_endpoints_come_and_go() -> None:
    one, two = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)
    old = intent(replace(service("a"), versions=(Version("a", (one,)), Version("b", (one,)))))
    new = intent(replace(service("a"), versions=(Version("a", (two,), slow_start_s=5.0), Version("c", (one, two)))))
    (change,) = changes(old, new).services

    assert [
        ("removed", "b", (), ("10.0.0.1:80",), ()),
        ("changed", "a", ("10.0.0.2:80",), ("10.0.0.1:80",), (Difference("slow_start", "0", "5s"),)),
        ("added", "c", ("10.0.0.1:80", "10.0.0.2:80"), (), ()),
    ] == [(v.how, v.version, v.endpoints_added, v.endpoints_removed, v.differences) for v in change.versions]


def test_values_have_their_path_and_the_files_own_form() -> None:
    plan = RolloutPlan(steps=(WeightStep(500, 60.0), WeightStep(2500, 60.0)), guard=Guard(alpha=0.01))
    old = intent(replace(OLD.services[0], rollout=plan))
    new = intent(replace(OLD.services[0], rollout=replace(plan, steps=(WeightStep(500, 30.0),), guard=Guard(alpha=0.02))))

    assert [
        ("rollout.steps[0].for", "1m", "30s"),
        ("rollout.steps[1]", {"weight": 25, "for": "1m", "min_requests": 0}, None),
        ("rollout.guard.alpha", 0.01, 0.02),
    ] == of_service(new, old)


def test_lists_of_named_things_are_compared_by_name() -> None:
    a, b = Check("a", metric="error_rate", max=0.01), Check("b", metric="error_rate", max=0.02)
    old = intent(replace(OLD.services[0], rollout=RolloutPlan(checks=(a, b))))
    new = intent(replace(OLD.services[0], rollout=RolloutPlan(checks=(replace(b, max=0.03),))))

    assert ["rollout.checks.a", "rollout.checks.b.max"] == [key for key, _, _ in of_service(new, old)]


def test_what_is_neither_route_nor_service_has_its_key() -> None:
    new = replace(OLD, access_log=AccessLog(), workers=3)

    assert [("workers", 1, 3), ("access_log", None, {"path": "-", "sample": 1.0})] == [
        (found.key, found.before, found.after) for found in changes(OLD, new).rest
    ]


def test_secrets_of_urls_are_not_told() -> None:
    new = replace(OLD, notifications=(Notification("a", "https://ann:pw@chat/x?token=1"),))

    assert "https://chat/x?..." == changes(OLD, new).rest[0].after[0]["url"]
