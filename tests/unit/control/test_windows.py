"""What now means: ten seconds, no data is not good data."""

from __future__ import annotations

from proxy.control.windows import Windows
from proxy.telemetry.histogram import bucket
from proxy.telemetry.snapshot import CellDelta

KEY = ("shop", "v1")


def windows() -> Windows:
    made = Windows(now=0.0)
    made.keep([KEY])
    return made


def cell(ok: int, bad: int = 0) -> CellDelta:
    return CellDelta("shop", "v1", 1, requests={200: ok, 500: bad}, failures={"status_5xx": bad}, latency={bucket(0.1): ok + bad})


def test_without_requests_there_is_no_error_rate_and_no_quantile() -> None:
    recent = windows().recent(KEY, 5.0)

    assert (0, 0.0, None, None, None) == (recent.requests, recent.rps, recent.error_rate, recent.p50_s, recent.p99_s)


def test_rates_are_over_the_last_ten_seconds() -> None:
    made = windows()
    for second in range(30):
        made.add(cell(9, 1), second + 0.5)
    recent = made.recent(KEY, 29.9)

    assert (100, 10, 10.0, 0.1) == (recent.requests, recent.errors, recent.rps, recent.error_rate)


def test_what_is_older_is_forgotten() -> None:
    made = windows()
    made.add(cell(5), 1.0)

    assert 0 == made.recent(KEY, 12.0).requests


def test_the_window_is_shorter_just_after_the_start() -> None:
    made = windows()
    made.add(cell(20), 1.5)

    assert 10.0 == made.recent(KEY, 2.0).rps


def test_a_quantile_is_that_of_the_latencies() -> None:
    made = windows()
    made.add(cell(20), 1.5)
    p50_s = made.recent(KEY, 2.0).p50_s

    assert p50_s is not None
    assert 0.092 < p50_s <= 0.1


def test_a_version_that_is_not_configured_is_not_counted() -> None:
    made = windows()
    made.add(CellDelta("shop", "v9", 1, requests={200: 1}), 1.0)

    assert 0 == made.recent(("shop", "v9"), 1.0).requests
