"""A token bucket for each key: what passes at once, what passes in the long run, and what is forgotten."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.dataplane.rate import Limiter
from proxy.model.route import RateLimit
from proxy.wire.request import Request, Starts, new_table, parse


class Someone:
    def __init__(self, address: bytes) -> None:
        self._address = address

    def client(self, request: Request) -> bytes:
        return self._address


def get(*lines: str) -> Request:
    return parse("\r\n".join(["GET / HTTP/1.1", "Host: a", *lines, "", ""]).encode(), Starts(), new_table())


ANN, BOB = Someone(b"192.0.2.1"), Someone(b"192.0.2.2")


def passed(limiter: Limiter, times: list[float], request: Request | None = None, client: Someone = ANN) -> int:
    return sum(limiter.wait_s(request or get(), client, now) == 0 for now in times)


def test_a_burst_passes_at_once_and_no_more() -> None:
    assert 5 == passed(Limiter(RateLimit(10, 1.0, 5), 1), [100.0] * 20)


def test_the_rate_holds_in_the_long_run() -> None:
    """10 a second and 5 at once, asked 100 times a second for 10 s."""
    assert 10 * 10 + 5 - 1 <= passed(Limiter(RateLimit(10, 1.0, 5), 1), [n / 100 for n in range(1000)]) <= 10 * 10 + 5


def test_who_keeps_to_the_rate_is_never_refused() -> None:
    assert 600 == passed(Limiter(RateLimit(1, 1.0, 1), 1), [float(n) for n in range(600)])


def test_a_pause_gives_back_no_more_than_a_burst() -> None:
    limiter = Limiter(RateLimit(10, 1.0, 5), 1)
    passed(limiter, [0.0] * 5)

    assert 5 == passed(limiter, [1000.0] * 20)


def test_the_wait_said_is_enough() -> None:
    limiter = Limiter(RateLimit(1, 3.0, 1), 1)
    assert 0 == limiter.wait_s(get(), ANN, 10.0)
    wait_s = limiter.wait_s(get(), ANN, 10.5)

    assert 3 == wait_s
    assert 0 == limiter.wait_s(get(), ANN, 10.5 + wait_s)


def test_a_refused_request_costs_no_token() -> None:
    limiter = Limiter(RateLimit(1, 1.0, 1), 1)
    passed(limiter, [0.0] + [0.5] * 100)

    assert 0 == limiter.wait_s(get(), ANN, 1.0)


def test_each_worker_grants_its_share() -> None:
    """Four workers: 25 a second each, 12 and a half at once, of which 12 are whole."""
    limiter = Limiter(RateLimit(100, 1.0, 50), 4)

    assert 12 == passed(limiter, [0.0] * 100)
    assert 25 == passed(limiter, [10 + n / 25 for n in range(25)])


def test_a_share_of_less_than_one_request_still_grants_one() -> None:
    assert 1 == passed(Limiter(RateLimit(1, 60.0, 1), 8), [0.0] * 10)


def test_clients_are_counted_apart() -> None:
    limiter = Limiter(RateLimit(1, 1.0, 1), 1)

    assert (1, 1) == (passed(limiter, [0.0] * 5), passed(limiter, [0.0] * 5, client=BOB))


def test_without_a_key_all_are_counted_together() -> None:
    limiter = Limiter(RateLimit(1, 1.0, 1, "none"), 1)

    assert (1, 0) == (passed(limiter, [0.0] * 5), passed(limiter, [0.0] * 5, client=BOB))


def test_a_headers_values_are_counted_apart_and_those_without_it_together() -> None:
    limiter = Limiter(RateLimit(1, 1.0, 1, "header", "x-tenant"), 1)
    acme, none = get("X-Tenant: acme"), get()

    assert (1, 1, 0) == (passed(limiter, [0.0] * 5, acme), passed(limiter, [0.0] * 5, none), passed(limiter, [0.0], none, BOB))


def test_long_keys_are_still_told_apart() -> None:
    limiter = Limiter(RateLimit(1, 1.0, 1, "header", "x-tenant"), 1)
    one, other = get("X-Tenant: " + "a" * 5000), get("X-Tenant: " + "a" * 4999 + "b")

    assert (1, 1) == (passed(limiter, [0.0] * 5, one), passed(limiter, [0.0] * 5, other))
    assert all(len(key) <= limits.RATE_LIMIT_KEY_BYTES_MAX for key in limiter._full_at)


def test_the_table_is_bounded_and_a_forgotten_debt_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATE_LIMIT_KEYS_MAX", 3)
    limiter = Limiter(RateLimit(1, 1.0, 1), 1)
    for n in range(5):
        limiter.wait_s(get(), Someone(b"%d" % n), 0.0)

    assert [b"2", b"3", b"4"] == list(limiter._full_at)
    assert (2, 0) == (limiter.take_evicted(), limiter.take_evicted())


def test_a_key_that_owes_nothing_is_forgotten_without_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATE_LIMIT_KEYS_MAX", 3)
    limiter = Limiter(RateLimit(1, 1.0, 1), 1)
    for n in range(5):
        limiter.wait_s(get(), Someone(b"%d" % n), n * 10.0)

    assert 0 == limiter.take_evicted()


def test_a_key_in_use_is_not_the_one_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATE_LIMIT_KEYS_MAX", 2)
    limiter = Limiter(RateLimit(1, 1.0, 1), 1)
    for name in (b"busy", b"once", b"busy", b"new"):
        limiter.wait_s(get(), Someone(name), 0.0)

    assert [b"busy", b"new"] == list(limiter._full_at)
