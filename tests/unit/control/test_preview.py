from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.control.preview import NOWHERE, Preview, preview, sample
from proxy.model.intent import Intent
from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan, WeightStep
from proxy.model.route import Match, Redirect, Route
from proxy.rollout.machine import fingerprint
from tests.kit.control_bench import intent, service

ALL, API = Match(), Match(path_prefix="/api")
OLD = intent(service("v1", "v1", "v2"), routes=(Route(ALL, "shop"),))
AT_REST = Position("shop", stable="v1", target="v1", configured="v1", fingerprint=fingerprint(OLD.services[0].versions[0]))
TRYING = replace(
    AT_REST,
    phase=Phase.PROGRESSING,
    candidate="v2",
    target="v2",
    configured="v2",
    fingerprint=fingerprint(OLD.services[0].versions[1]),
    rollout=1,
    weight_bp=500,
)


def seen(new: Intent, old: Intent = OLD, position: Position = AT_REST, rps: float = 12.345) -> Preview:
    return preview(old, new, {"shop": position}, 1e9, route_rps={ALL: rps}, service_rps={"shop": rps})


def test_nothing_new_has_no_effect() -> None:
    assert Preview(same=True) == seen(OLD)


def test_a_route_that_goes_says_what_it_has_now_and_who_gets_it_then() -> None:
    (gone, come) = seen(replace(OLD, routes=(Route(API, "shop"),))).routes

    assert [(12.35, NOWHERE), (None, "*/* (shop)")] == [(gone.rps, gone.instead), (come.rps, come.instead)]


def test_a_redirect_that_takes_over_is_said_in_words() -> None:
    old = replace(OLD, routes=(Route(ALL, "shop"), Route(API, "shop")))
    new = replace(OLD, routes=(Route(ALL, "", redirect=Redirect(to="https://b/")),))
    (gone, moved) = seen(new, old).routes

    assert [("removed", "*/* (redirect to https://b/)"), ("moved", "")] == [(e.change.how, e.instead) for e in (gone, moved)]


@pytest.mark.parametrize(
    ("match", "line"),
    [
        (Match(host="*.example.com", path_prefix="/a", methods=("PUT",)), b"PUT /a HTTP/1.1\r\nHost: any.example.com\r\n\r\n"),
        (Match(path="/a", headers=(("x-b", "1"),), query=(("q", "2"),)), b"GET /a?q=2 HTTP/1.1\r\nHost: any.invalid\r\nx-b: 1\r\n\r\n"),
        (Match(path_regex="/[0-9]+"), b""),
    ],
)
def test_a_match_has_a_request_that_stands_for_it_unless_it_is_an_expression(match: Match, line: bytes) -> None:
    assert line == sample(match)


def test_a_new_target_begins_a_rollout() -> None:
    (effect,) = seen(intent(service("v2", "v1", "v2"), routes=OLD.routes)).rollouts

    assert ["started"] == [record["kind"] for record in effect.records]


def test_another_target_ends_the_rollout_that_runs() -> None:
    old = intent(service("v2", "v1", "v2"), routes=OLD.routes)
    effect = seen(intent(service("v1", "v1", "v2"), routes=OLD.routes), old, TRYING).rollouts[0]

    assert [("abandoned", "v2")] == [(record["kind"], effect.candidate) for record in effect.records]


def test_a_plan_that_changes_leaves_the_rollout_that_runs_alone() -> None:
    old = intent(service("v2", "v1", "v2"), routes=OLD.routes)
    plan = RolloutPlan(steps=(WeightStep(100),))
    (effect,) = seen(replace(old, services=(replace(old.services[0], rollout=plan),)), old, TRYING).rollouts

    assert ((), ("the rollout to v2 keeps the plan it began with; the new one is for the next",)) == (effect.records, effect.notes)


def test_a_plan_that_changes_at_rest_begins_nothing() -> None:
    plan = RolloutPlan(steps=(WeightStep(100),))
    (effect,) = seen(replace(OLD, services=(replace(OLD.services[0], rollout=plan),))).rollouts

    assert ((), True) == (effect.records, "nothing begins now" in effect.notes[0])


def test_a_new_service_is_stable_at_once() -> None:
    found = seen(replace(OLD, services=(*OLD.services, service(name="blog"))))

    assert [("blog", None)] == [(effect.change.service, effect.rps) for effect in found.services]
    assert "stable at once" in found.rollouts[0].notes[0]


def test_what_a_reload_would_refuse_is_told_with_its_remedy() -> None:
    found = seen(replace(intent(service("v2", "v2"), routes=OLD.routes), workers=7))

    assert 2 == len(found.refused)
    assert ("workers: changed", "services.shop.versions.v1: removed") == (found.refused[0][:16], found.refused[1][:34])
