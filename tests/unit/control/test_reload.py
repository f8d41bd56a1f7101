"""What a new configuration may not do to a running proxy."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.control.reload import cools, needs_restart, strands, target_set
from proxy.model.intent import Admin, Intent, Listener
from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan
from proxy.rollout.machine import fingerprint
from tests.kit.control_bench import intent, service

OLD = intent()
TRYING = Position("shop", stable="v1", phase=Phase.PROGRESSING, candidate="v2", target="v2")


@pytest.mark.parametrize(
    ("key", "new"),
    [
        ("listeners", intent(listeners=(Listener("web", "127.0.0.1", 8081),))),
        ("listeners", intent(listeners=())),
        ("admin", intent(admin=Admin(port=9901))),
        ("workers", intent(workers=2)),
        ("state.path", intent(state_path="elsewhere.db")),
    ],
)
def test_sockets_processes_and_the_store_change_by_restart_only(key: str, new: Intent) -> None:
    assert [f"{key}: changed, and takes effect only by a restart; restart headgate, or put {key} back as it was"] == needs_restart(
        OLD, new
    )


def test_whom_a_listener_trusts_may_change_while_it_runs() -> None:
    assert [] == needs_restart(OLD, intent(listeners=(replace(OLD.listeners[0], trusted_proxies=("10.0.0.0/8",)),)))


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (intent(service("v2", "v2", "v3")), "versions.v1: removed, but it is stable"),
        (intent(service("v1", "v1")), "versions.v2: removed, but it is the candidate"),
        (intent(service(name="blog")), "services.shop: is gone, but its rollout to v2 is progressing"),
        (intent(replace(service(), target="", traffic=(("v1", 1.0),))), "has a fixed traffic split, but its rollout"),
    ],
)
def test_what_carries_traffic_may_not_be_taken_away(new: Intent, text: str) -> None:
    problems = strands({"shop": TRYING}, new)

    assert (1, True) == (len(problems), text in problems[0])


@pytest.mark.parametrize("phase", [Phase.STABLE, Phase.ROLLED_BACK])
def test_a_version_without_traffic_may_go(phase: Phase) -> None:
    assert [] == strands({"shop": replace(TRYING, phase=phase)}, intent(service("v1", "v1")))


def test_a_service_at_rest_may_go() -> None:
    assert [] == strands({"shop": Position("shop", stable="v1")}, intent(service(name="blog")))


def test_the_machine_is_told_the_fingerprint_of_every_version() -> None:
    event = target_set(service("v2"), "configuration")

    assert (event.fingerprint, ["v1", "v2"]) == (event.versions["v2"], list(event.versions))
    assert fingerprint(service().versions[0]) == event.versions["v1"]


SWITCHED = Position("shop", stable="v2", previous="v1", promoted_s=1000.0, plan=RolloutPlan(strategy="blue_green", keep_old_s=60.0))


def test_what_was_before_a_switch_is_kept_for_a_while() -> None:
    problems = cools({"shop": SWITCHED}, OLD, intent(service("v2", "v2")), 1020.0)

    assert ["services.shop.versions.v1: removed, but it is kept for an undo for 40 s more (keep_old)"] == [
        problem.partition(";")[0] for problem in problems
    ]


@pytest.mark.parametrize(
    ("position", "wall", "new"),
    [
        (SWITCHED, 1061.0, intent(service("v2", "v2"))),
        (replace(SWITCHED, plan=RolloutPlan()), 1020.0, intent(service("v2", "v2"))),
        (SWITCHED, 1020.0, intent(service("v2", "v1", "v2"))),
        (replace(SWITCHED, previous=""), 1020.0, intent(service("v2", "v2"))),
        (SWITCHED, 1020.0, intent(service(name="blog"))),
    ],
)
def test_what_is_not_kept_may_go(position: Position, wall: float, new: Intent) -> None:
    assert [] == cools({"shop": position}, OLD, new, wall)
