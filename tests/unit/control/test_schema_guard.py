"""Which version runs on which schema, and what a reload may not do to that."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.control.schema_guard import conflicts, refuse, unfit
from proxy.model.position import Phase, Position
from proxy.model.service import Service
from tests.kit.control_bench import intent, service, version

OLD = replace(version("v1"), runs_on=(11, 12))
NEW = replace(version("v2"), runs_on=(12, 13))
RESTING = Position("shop", "v1")
TRYING = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2")


def at(schema: int, *, target: str = "v1") -> Service:
    return replace(service(target), versions=(OLD, NEW), schema=schema)


@pytest.mark.parametrize("schema", [12, 13, 0])
def test_a_version_may_be_live_on_a_schema_that_it_names_or_when_none_is_said(schema: int) -> None:
    assert "" == unfit(at(schema), NEW)


def test_a_version_that_names_no_schema_runs_on_any() -> None:
    assert "" == unfit(at(13), version("v3"))


def test_a_version_that_does_not_run_on_the_schema_is_told_apart() -> None:
    assert "v1 runs on schema 11, 12, and shop is at schema 13" == unfit(at(13), OLD)


def test_a_refusal_says_what_to_do() -> None:
    assert "shop: cannot undo: because; expand the database until both versions run on it" in str(refuse(at(13), "undo", "because"))


def test_a_schema_that_changes_under_a_running_rollout_is_refused() -> None:
    assert [
        "services.shop.schema: 12 would become 13 while its rollout to v2 is progressing; let it end, or end it first: "
        "headgate rollout abort shop --reason TEXT"
    ] == conflicts({"shop": TRYING}, intent(at(12)), intent(at(13)))


def test_a_schema_that_is_said_for_the_first_time_under_a_running_rollout_is_a_change_too() -> None:
    assert ["services.shop.schema: not said would become 12 while"] == [
        said[:52] for said in conflicts({"shop": TRYING}, intent(at(0)), intent(at(12)))
    ]


def test_a_schema_on_which_stable_does_not_run_is_refused() -> None:
    assert [
        "services.shop.schema: v1 runs on schema 11, 12, and shop is at schema 13, but it is stable and carries traffic; "
        "promote a version that runs on 13 first"
    ] == conflicts({"shop": RESTING}, intent(at(12)), intent(at(13)))


def test_a_stable_version_that_was_forced_does_not_stop_later_reloads() -> None:
    assert [] == conflicts({"shop": RESTING}, intent(at(13)), intent(at(13)))


def test_a_schema_that_stable_runs_on_may_come() -> None:
    assert [] == conflicts({"shop": RESTING}, intent(at(11)), intent(at(12)))


@pytest.mark.parametrize("new", [intent(service("v1", name="cart")), intent(replace(at(13), target="", traffic=(("v1", 1.0),)))])
def test_a_service_without_a_target_has_nothing_to_guard(new: object) -> None:
    assert [] == conflicts({"shop": RESTING}, intent(at(12)), new)  # type: ignore[arg-type]  # parametrized


def test_a_service_that_is_back_after_it_was_gone_must_run_on_its_schema() -> None:
    assert 1 == len(conflicts({"shop": RESTING}, intent(service("v1", name="cart")), intent(at(13))))
