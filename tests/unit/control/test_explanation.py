"""Why a rollout went as it did, told from what was kept of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from proxy.analysis.exposure import Exposure
from proxy.analysis.series import Point, Series
from proxy.analysis.stretches import Side, Stretch
from proxy.control.explanation import explain, radius_in_words, rollout_of
from proxy.model.position import Phase, Position, Revision
from proxy.model.rollout import GateStep, Hook, RolloutPlan, WeightStep
from proxy.telemetry.histogram import bucket

PLAN = RolloutPlan(steps=(WeightStep(500, 60.0), WeightStep(2500, 60.0)))
TRYING = Position("shop", "v1", Phase.PROGRESSING, "v2", "v2", rollout=3, plan=PLAN, weight_bp=500)
RADIUS = {
    "requests": 240,
    "errors": 12,
    "saved_by_fallback": 3,
    "errors_seen": 9,
    "users": 180,
    "users_at_least": False,
    "users_with_errors": 11,
    "users_with_errors_at_least": True,
    "requests_without_user": 0,
    "first_error_s": 160.0,
    "last_request_s": 160.75,
    "exposed_s": 0.75,
}
EVIDENCE = {
    "log_evidence": 7.0,
    "threshold": 6.9,
    "candidate_requests": 240,
    "stable_requests": 960,
    "candidate_failures": 12,
    "stable_failures": 1,
    "kinds": {"failures": {"log_evidence": 6.9, "threshold": 7.0, "ratio": 1.5}},
}
NAMED: dict[str, Any] = {"rollout": 3, "from": "v1", "to": "v2"}


def revision(
    number: int, at_s: float, kind: str, reason: str = "", by: str = "", *, position: Position = TRYING, **figures: Any
) -> Revision:
    return Revision("shop", number, at_s, kind, reason, {**figures, **NAMED}, by, position)


BACK = replace(TRYING, phase=Phase.ROLLED_BACK, weight_bp=0)
HISTORY = [
    Revision("shop", 7, 90.0, "promoted", "", {"rollout": 2}, "", Position("shop", "v1", rollout=2)),
    revision(8, 100.0, "started", "the target is v2", "token deploy"),
    revision(9, 160.5, "rolling_back", "it fails", weight_bp_before=500, position=BACK, **EVIDENCE),
    revision(10, 160.625, "rolled_back", "out", position=BACK, blast_radius=RADIUS, took_s=0.1),
    Revision("shop", 11, 500.0, "started", "", {"rollout": 4}, "", replace(TRYING, rollout=4)),
]
SERIES = Series(
    10.0,
    (
        Point(110.0, "progressing", 0, 500, {500: {"candidate_requests": 5}}, Stretch(10.0, Side(5, 0, {bucket(0.01): 5}), Side(95))),
        Point(
            160.5,
            "progressing",
            0,
            500,
            {500: {"candidate": {"reset": 2}, "stable": {"reset": 1}}, 2500: {"candidate": {"reset": 1, "timeout": 1}}},
            evidence={"failures": 6.9},
            checks={"p99": "fail"},
            event="rolling_back",
        ),
    ),
)


def told(asked: int = 2, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"history": HISTORY, "series": SERIES, "exposure": None} | more
    return explain(HISTORY[asked], given["history"], given["series"], given["exposure"])


def test_any_of_its_revisions_leads_to_the_whole_story_of_a_rollout() -> None:
    assert [[8, 9, 10]] * 3 == [[line["revision"] for line in told(asked)["story"]] for asked in (1, 2, 3)]


def test_its_plan_reads_back_and_shows_no_secret_of_a_url() -> None:
    hooks = (Hook("before_rollout", "https://ann:s3cret@ci/smoke?key=s3cret"),)
    plan = replace(PLAN, steps=(GateStep("remote", "https://board/ok?token=s3cret"), *PLAN.steps), hooks=hooks)
    history = [replace(line, position=replace(line.position, plan=plan)) for line in HISTORY]
    told = explain(history[1], history, SERIES, None)

    assert "s3cret" not in str(told)
    assert msgspec.convert(told["plan"], RolloutPlan) == replace(
        plan, steps=(GateStep("remote", "https://board/ok?..."), *PLAN.steps), hooks=(Hook("before_rollout", "https://ci/smoke?..."),)
    )


def test_what_was_tried_by_whom_and_what_came_of_it() -> None:
    expected = ("v1", "v2", "token deploy", "rolled_back", 100.0, 160.625, 3)
    assert expected == tuple(told()[key] for key in ("from", "to", "by", "outcome", "started_at", "ended_at", "rollout"))


def test_the_sentences_tell_it_in_order() -> None:
    assert [
        "v2 was tried in place of v1 (canary in 2 steps), by token deploy: the target is v2.",
        "It was rolled back after 1m1s, at step 1 of 2, 5 %: it fails.",
        "Evidence of failures: 10^3.0, and 10^3.0 was needed that it is more than 1.5 times stable's.",
        "It failed 12 of 240 (5 %), stable 1 of 960 (0.104 %) of the requests that the split drew for it.",
        "v2 answered 240 requests of 180 users.",
        "It failed 12 requests, of which stable answered 3 in its place; at least 11 users saw an error.",
        "From the first bad answer to the decision it took 0.50 s, to every worker another 0.12 s; "
        "the last request that it was given began 0.75 s after that answer.",
    ] == told()["summary"]


def test_what_was_counted_after_the_end_comes_before_the_records() -> None:
    late = Exposure(3, "v2", sticky=False).figures() | {"requests": 300}

    assert (300, 240) == (told(exposure=late)["blast_radius"]["requests"], told()["blast_radius"]["requests"])


def test_a_check_that_did_not_pass_is_named() -> None:
    checks = [{"name": "p99", "result": "fail", "reason": "700 ms is over 500 ms"}, {"name": "errors", "result": "pass", "reason": ""}]
    dry = {"name": "orders", "result": "error", "reason": "refused", "dry_run": True}
    history = [*HISTORY[:2], revision(9, 160.5, "rolling_back", checks=[*checks, dry]), HISTORY[3]]

    assert ["Check p99: fail: 700 ms is over 500 ms.", "Check orders (dry run): error: refused."] == [
        said for said in told(history=history)["summary"] if said.startswith("Check")
    ]


def test_points_say_what_both_versions_did_over_the_same_time() -> None:
    first, second = told()["series"]["points"]

    assert (10.0, 5.0, 5, 0, 0.0, 95) == (
        first["after_s"],
        first["weight"],
        first["candidate"]["requests"],
        first["candidate"]["failures"],
        first["candidate"]["error_rate"],
        first["stable"]["requests"],
    )
    assert ({"reset": 3, "timeout": 1}, {"reset": 1}) == (second["candidate"]["causes"], second["stable"]["causes"])
    assert ({"failures": 6.9}, {"p99": "fail"}, "rolling_back", None) == (
        second["evidence"],
        second["checks"],
        second["event"],
        second["candidate"]["p99_ms"],
    )


def test_the_series_is_there_whole_for_a_replay() -> None:
    assert SERIES == msgspec.convert(told()["recorded"], Series, str_keys=True)
    assert PLAN == msgspec.convert(told()["plan"], RolloutPlan)


def test_it_is_json() -> None:
    assert b"rolled_back" in msgspec.json.encode(told())


def test_a_rollout_under_way_says_so() -> None:
    history = [HISTORY[1]]

    assert ("under way", "It is under way, at 5 %.", None) == (
        (said := told(1, history=history))["outcome"],
        said["summary"][1],
        said["ended_at"],
    )


def test_one_that_was_resumed_is_under_way_again() -> None:
    history = [HISTORY[1], revision(9, 110.0, "paused", "lunch", "user ada"), revision(10, 120.0, "resumed", by="user ada")]

    assert "under way" == told(1, history=history)["outcome"]


def test_a_hook_that_is_told_of_the_end_does_not_undo_it() -> None:
    assert "rolled_back" == told(history=[*HISTORY, revision(12, 161.0, "hook", "told")])["outcome"]


def test_a_switch_is_a_beginning_and_a_decision() -> None:
    switched = [revision(8, 100.0, "switching", "undone", "user ada"), revision(9, 100.5, "promoted", "v2 is stable")]
    said = told(1, history=switched)

    assert ("promoted", True, 100.0) == (said["outcome"], said["complete"], said["started_at"])
    assert "It was promoted by user ada, at step 1 of 2, 5 %: undone." == said["summary"][1]


def test_an_operators_abort_names_who() -> None:
    aborted = revision(9, 160.0, "rolling_back", "too slow for me", "user ada", weight_bp_before=500, position=BACK)
    said = told(history=[HISTORY[1], aborted])

    assert ("rolling_back", "It was being rolled back by user ada after 1m0s, at step 1 of 2, 5 %: too slow for me.") == (
        said["outcome"],
        said["summary"][1],
    )


def test_what_is_missing_is_said() -> None:
    said = told(history=HISTORY[2:4], series=None)

    assert (False, None, None) == (said["complete"], said["series"], said["recorded"])
    assert [
        "The history no longer has how it began: older revisions have been dropped.",
        "Nothing is kept of how the figures grew.",
    ] == said["summary"][-2:]


def test_a_decision_about_no_rollout_has_nothing_to_explain() -> None:
    first = Revision("shop", 1, 1.0, "first", "v1 is stable at once", {}, "configuration", Position("shop", "v1"))

    said = explain(first, [first], None, None)
    assert (["v1 is stable at once; nothing was tried"], "nothing tried", True) == (said["summary"], said["outcome"], said["complete"])


def test_a_record_without_a_rollout_is_of_the_one_it_left_the_service_in() -> None:
    assert 3 == rollout_of(Revision("shop", 1, 1.0, "stable_gone", "", {}, "", TRYING))


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        ({"users": None}, "v2 answered 240 requests; of how many users is not known, for the service is not sticky."),
        ({"users": 1, "users_at_least": True, "requests": 1}, "v2 answered 1 request of at least 1 user."),
    ],
)
def test_unknown_and_uncertain_numbers_of_users_are_called_that(radius: dict[str, Any], said: str) -> None:
    assert said == radius_in_words({**RADIUS, **radius}, "v2")[0]


def test_what_nobody_counted_is_said() -> None:
    said = radius_in_words({**RADIUS, "incomplete": True}, "v2")

    assert "headgate was killed in between: what happened until its next start, and some seconds before, is not counted." == said[-1]


def test_requests_of_unknown_users_are_counted_apart() -> None:
    assert "7 requests did not say whose they were." == radius_in_words({**RADIUS, "requests_without_user": 7}, "v2")[-1]
