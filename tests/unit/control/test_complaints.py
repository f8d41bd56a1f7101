"""What workers complain of is told when it begins, when it changes and when it is over; once, however many say so."""

from __future__ import annotations

from typing import Any

from proxy import limits
from proxy.clock import ManualClock
from proxy.control.complaints import Complaints
from proxy.telemetry.snapshot import EndpointState, ListenerState, Snapshot

FAILS = "lookup shop: version v1, endpoint origin.test:80: server failure"
GOOD = "lookup shop: version v1, endpoint origin.test:80: looked up again"


class Heard:
    """Complaints, and what was told of them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.told: list[str] = []
        self.complaints = Complaints(self.clock, lambda kind, service, text, _slot: self.told.append(f"{kind} {service}: {text}"))

    def report(self, slot: int, **more: Any) -> Heard:
        self.complaints.hear(slot, Snapshot(worker=slot, sequence=1, generation=1, at_s=0.0, **more))
        return self

    def name(self, slot: int, error: str) -> Heard:
        return self.report(slot, endpoints=[EndpointState("shop", "v1", "origin.test:80", lookups_failed=0, lookup_error=error)])


def test_broken_files_of_a_listener_are_told_once_and_again_when_they_are_taken() -> None:
    heard = Heard()
    for error in ("broken", "broken", ""):
        heard.report(0, listeners=[ListenerState("web", tls_error=error)])

    assert ["certificates : listener web: broken", "certificates : listener web: its certificate files are taken"] == heard.told


def test_a_worker_in_the_place_of_another_complains_of_files_anew() -> None:
    heard = Heard().report(0, origin_tls={"shop": "broken"})
    heard.complaints.down(0)
    heard.report(0, origin_tls={"shop": "broken"})

    assert ["certificates : service shop: broken"] * 2 == heard.told


def test_broken_files_of_a_service_that_left_and_came_back_are_told_again() -> None:
    heard = Heard().report(0, origin_tls={"shop": "broken"}).report(0).report(0, origin_tls={"shop": "broken"})

    assert ["certificates : service shop: broken"] * 2 == heard.told


def test_a_name_that_cannot_be_looked_up_is_told_of_once_by_all_workers() -> None:
    heard = Heard()
    for slot in (0, 1, 0, 1):
        heard.name(slot, "server failure")

    assert [FAILS] == heard.told


def test_a_name_is_good_again_when_no_worker_complains_any_more() -> None:
    heard = Heard().name(0, "server failure").name(1, "server failure").name(0, "")
    before = list(heard.told)
    heard.name(1, "").name(1, "")

    assert ([FAILS], [FAILS, GOOD]) == (before, heard.told)


def test_another_reason_is_told_but_not_in_turns_with_the_first() -> None:
    heard = Heard()
    for _ in range(3):
        heard.name(0, "server failure").name(1, "no answer in time")
    heard.clock.advance(limits.RESOLVE_AGAIN_S)
    heard.name(1, "no answer in time").name(0, "server failure")

    assert [FAILS, FAILS.replace("server failure", "no answer in time")] == heard.told


def test_a_complaint_ends_with_the_endpoint_of_which_it_is() -> None:
    heard = Heard().name(0, "server failure").report(0).name(0, "server failure")

    assert [FAILS, GOOD, FAILS] == heard.told


def test_a_worker_that_died_complains_no_more() -> None:
    heard = Heard().name(0, "server failure").name(1, "server failure")
    heard.complaints.down(1)
    heard.name(0, "")

    assert [FAILS, GOOD] == heard.told


def test_a_name_that_fails_on_in_a_worker_in_the_place_of_another_is_not_news() -> None:
    heard = Heard().name(0, "server failure")
    heard.complaints.down(0)
    heard.name(0, "server failure")

    assert [FAILS] == heard.told


def test_a_complaint_ends_with_its_endpoint_after_the_only_worker_that_complained() -> None:
    heard = Heard().name(0, "server failure")
    heard.complaints.down(0)
    heard.report(1).report(1).name(1, "server failure")

    assert [FAILS, GOOD, FAILS] == heard.told


def test_addresses_are_nobodys_complaint() -> None:
    assert [] == Heard().report(0, endpoints=[EndpointState("shop", "v1", "127.0.0.1:80")]).told
