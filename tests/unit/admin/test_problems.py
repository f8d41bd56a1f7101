"""Errors as RFC 9457 problems."""

from __future__ import annotations

import json

from proxy.admin.problems import answer, problem


def test_a_problem_has_the_members_of_the_rfc_and_its_own() -> None:
    made = problem(422, "no", mistakes=["a"])
    body = json.loads(made.body)  # type: ignore[arg-type]  # bytes, as made

    assert (422, "application/problem+json") == (made.status, made.content_type)
    assert {"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "no", "mistakes": ["a"]} == body


def test_an_answer_is_kept_by_no_cache() -> None:
    made = answer({"a": 1}, headers={"ETag": '"x"'})

    assert ("no-store", '"x"', b'{"a":1}') == (made.headers["Cache-Control"], made.headers["ETag"], made.body)
