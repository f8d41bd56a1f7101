"""What wrk is told, and what is believed of what it says."""

from __future__ import annotations

import pytest

from loadtest import client
from loadtest.answers import differences
from loadtest.faults import RigError
from loadtest.scenarios import BROWSER_HEADERS, SCENARIOS

GOOD = (
    'Running\n{"requests": 1000, "duration_us": 2000000, "p50_us": 900, "p99_us": 1500, "p999_us": 2500, "broken": 0, "statuses": 0}\n'
)


def test_figures_are_read_from_the_last_line() -> None:
    assert client.Reading(requests=1000, duration_s=2.0, p50_ms=0.9, p99_ms=1.5, p999_ms=2.5) == client.parse(GOOD)


@pytest.mark.parametrize(
    "output",
    ["", GOOD.replace('"broken": 0', '"broken": 1'), GOOD.replace('"statuses": 0', '"statuses": 7'), GOOD.replace("1000,", "0,")],
)
def test_a_run_with_a_failure_is_void(output: str) -> None:
    with pytest.raises(RigError):
        client.parse(output)


def test_a_browser_sends_twelve_headers() -> None:
    assert 12 == client.script(SCENARIOS["small-get"]).count("wrk.headers[") == len(BROWSER_HEADERS)


def test_each_user_has_a_cookie_of_its_own() -> None:
    assert """wrk.headers["Cookie"] = "session=" .. string.format('%032x', user) .. "; theme=dark\"""" in client.script(
        SCENARIOS["many-users"]
    )


def test_one_user_runs_no_code_for_each_request() -> None:
    assert "request = function" not in client.script(SCENARIOS["small-get"])


def test_a_post_carries_its_body() -> None:
    assert "wrk.body = string.rep('x', 16384)" in client.script(SCENARIOS["post-16k"])


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_an_answer_has_the_size_its_scenario_says(scenario: object) -> None:
    from loadtest.scenarios import Scenario

    assert isinstance(scenario, Scenario)
    assert scenario.answer_bytes == len(scenario.answer)


TOLD = {
    "host": "shop.example",
    "for": "127.0.0.1",
    "proto": "http",
    "forwarded-host": "shop.example",
    "request-id": "0123456789abcdef",
    "via": "1.1 x",
}


def test_a_proxy_that_forwards_alike_differs_in_nothing() -> None:
    assert [] == differences(TOLD)


@pytest.mark.parametrize("name", list(TOLD))
def test_a_header_that_is_not_forwarded_is_found(name: str) -> None:
    assert [f"{name} was ''"] == differences({**TOLD, name: ""})


def test_a_user_keeps_the_cookie_that_the_proxy_gave() -> None:
    assert 'theme=dark; consent=yes; version=a"' in client.script(SCENARIOS["production"], "version=a")


def test_what_a_proxy_cannot_say_is_no_difference() -> None:
    assert [] == differences({**TOLD, "request-id": ""}, unsaid={"request-id"})


def test_over_tls_the_origin_is_to_hear_https() -> None:
    assert ["proto was 'http'"] == differences(TOLD, "https")
