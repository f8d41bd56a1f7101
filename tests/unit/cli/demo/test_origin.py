"""The demo's small service: what it answers, when it turns bad, how it reads HTTP."""

from __future__ import annotations

import json
import random

from proxy.cli.demo.origin import Service


def service(bad_after_s: float | None = None) -> Service:
    return Service("v3", bad_after_s, random.Random(1))


def test_it_says_its_version() -> None:
    status, body = service().answer("/cart", 0.0)

    assert (200, "v3", 1) == (status, json.loads(body)["version"], json.loads(body)["served"])


def test_it_turns_bad_some_seconds_after_its_first_request() -> None:
    origin = service(bad_after_s=2.0)

    assert [200, 200, 500] == [origin.answer("/", at)[0] for at in (100.0, 101.9, 102.0)]


def test_a_bad_answer_still_says_whose_it_is() -> None:
    assert "v3" == json.loads(service(bad_after_s=0.0).answer("/", 1.0)[1])["version"]


def test_its_health_stays_good_and_is_no_request() -> None:
    origin = service(bad_after_s=0.0)

    assert (200, 0) == (origin.answer("/healthz", 5.0)[0], origin.served)


def test_thinking_takes_milliseconds() -> None:
    origin = service()

    assert all(0.001 <= origin.think_s() <= 0.004 for _ in range(100))
