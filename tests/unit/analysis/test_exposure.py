"""The blast radius: whom a candidate reached, who saw it fail, and for how long."""

from __future__ import annotations

import base64

import pytest

from proxy import limits
from proxy.analysis.exposure import Exposure, Users
from proxy.telemetry.snapshot import CellDelta, Reached


def cell(
    version: str = "v2", *, ok: int = 0, bad: int = 0, fallbacks: int = 0, rollout: int = 3, reached: Reached | None = None
) -> CellDelta:
    requests = {code: n for code, n in ((200, ok), (500, bad)) if n}
    failures = {"status_5xx": bad} if bad else {}
    return CellDelta("shop", version, 1, rollout, requests=requests, failures=failures, fallbacks=fallbacks, reached=reached)


def exposure(*, sticky: bool = True) -> Exposure:
    return Exposure(3, "v2", sticky=sticky)


def test_requests_errors_and_what_fallback_saved_are_the_candidates_own() -> None:
    seen = exposure()
    added = [seen.add(each, 1.0) for each in (cell(ok=7, bad=3, fallbacks=2), cell("v1", ok=9), cell(ok=1, rollout=2))]
    figures = seen.figures()

    assert [True, False, False] == added
    assert (10, 3, 2, 1) == tuple(figures[key] for key in ("requests", "errors", "saved_by_fallback", "errors_seen"))


def test_no_rollout_reaches_nobody() -> None:
    assert not Exposure(0, "", sticky=False).add(CellDelta("shop", "", 1), 1.0)


def test_users_are_counted_once_over_all_workers() -> None:
    seen = exposure()
    seen.add(cell(ok=3, reached=Reached(met=[1, 2], hurt=[2])), 1.0)
    seen.add(cell(ok=3, reached=Reached(met=[2, 3], hurt=[2, 3])), 1.1)
    figures = seen.figures()

    assert (3, False, 2, False) == (
        figures["users"],
        figures["users_at_least"],
        figures["users_with_errors"],
        figures["users_with_errors_at_least"],
    )


def test_where_nobody_is_known_no_number_of_users_is_given() -> None:
    seen = exposure(sticky=False)
    seen.add(cell(ok=3, reached=Reached(unknown=3)), 1.0)
    figures = seen.figures()

    assert (None, False, None, None) == (
        figures["users"],
        figures["users_at_least"],
        figures["users_with_errors"],
        figures["requests_without_user"],
    )


def test_requests_that_say_no_user_make_it_at_least() -> None:
    seen = exposure()
    seen.add(cell(ok=3, reached=Reached(met=[1], unknown=2)), 1.0)

    assert (1, True, 2) == tuple(seen.figures()[key] for key in ("users", "users_at_least", "requests_without_user"))


@pytest.mark.parametrize("dropped", [0, 1])
def test_beyond_the_bound_it_is_at_least(monkeypatch: pytest.MonkeyPatch, dropped: int) -> None:
    monkeypatch.setattr(limits, "MET_USERS_PER_ROLLOUT_MAX", 3)
    users = Users()
    users.add([1, 2, 3, 3], dropped)
    exact = users.full
    users.add([1], 0)
    users.add([4], 0)

    assert (bool(dropped), 3, True) == (exact, len(users), users.full)


def test_it_was_exposed_from_the_first_bad_answer_to_its_last_request() -> None:
    seen = exposure()
    seen.add(cell(bad=1, reached=Reached(first_failed_ago_s=0.5, last_began_ago_s=0.25)), 100.0)
    seen.add(cell(bad=1, reached=Reached(first_failed_ago_s=0.1, last_began_ago_s=0.5)), 102.0)
    seen.add(cell(bad=1, reached=Reached(first_failed_ago_s=0.1, last_began_ago_s=30.0)), 120.0)

    assert (99.5, 101.5, 2.0) == tuple(seen.figures()[key] for key in ("first_error_s", "last_request_s", "exposed_s"))


def test_without_an_error_nobody_was_exposed() -> None:
    seen = exposure()
    seen.add(cell(ok=1, reached=Reached(last_began_ago_s=0.5)), 102.0)

    assert None is seen.figures()["exposed_s"]


def test_it_comes_back_from_the_store_as_it_was() -> None:
    seen = exposure()
    seen.add(cell(ok=3, bad=1, fallbacks=1, reached=Reached([1, 2**64 - 1], 1, [2], 0, 4, 0.5, 0.5)), 102.0)
    again = Exposure.from_json(seen.to_json())
    assert again is not None
    again.add(cell(ok=1, reached=Reached(met=[2**64 - 1, 7])), 103.0)
    seen.add(cell(ok=1, reached=Reached(met=[2**64 - 1, 7])), 103.0)

    assert (seen.figures(), 3) == (again.figures(), again.figures()["users"])


def test_users_who_come_after_it_was_stored_are_stored_too() -> None:
    users = Users()
    users.add([1], 0)
    before = users.to_text()
    users.add([2], 0)

    assert [1, 2] == [len(Users(text, full=False)) for text in (before, users.to_text())]


def test_to_store_users_again_costs_as_much_as_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done each second on the control loop, where a verdict is due in 20 ms."""
    users = Users()
    users.add(range(3000), 0)
    users.to_text()
    encode, encoded = base64.b64encode, list[int]()
    monkeypatch.setattr(base64, "b64encode", lambda data: encoded.append(len(data)) or encode(data))
    users.add([5000], 0)
    text = users.to_text()

    assert (3001, 8) == (len(Users(text)), sum(encoded))


@pytest.mark.parametrize("data", [{}, {"met": 5}, Exposure(3, "v2", sticky=True).to_json() | {"met": "no base64"}])
def test_what_was_kept_in_another_form_is_nothing(data: dict[str, object]) -> None:
    assert None is Exposure.from_json(data)
