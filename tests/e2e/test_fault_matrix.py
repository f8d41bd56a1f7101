"""Every row of the fault table (``tests/kit/faults.py``) done under load: what the client gets, what is counted, logged, and left over.

One service is frail and suffers the fault; the other carries load through the same worker all the while and must notice nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clients import Load, Outcome, get
from tests.kit.faults import CLIENT, IDLE_S, NOTHING, ORIGIN, RESPONSE_S, WHOLE, Fault
from tests.kit.origins import OriginProcess
from tests.kit.processes import Figures, Headgate, total
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import CLOCK, until

LOAD_CONNECTIONS = 4
LOAD_PAUSE_S = 0.008  # 4 connections then ask some 400 times a second
LOAD_ANSWERS = 20  # fewer would be no load, however short the fault
WAITING = 12
LOST = "no answer"
DYING_S = 0.05  # a kill takes a moment
BOUND_S = 10.0
Counts = Counter[tuple[str, str, str]]


class Site:
    """A proxy with one frail and one sound service, and what it counts and logs."""

    def __init__(self, scene: Scene, **settings: Any) -> None:
        self.frail: OriginProcess = scene.origin("frail")
        self.sound: OriginProcess = scene.origin("sound")
        log = scene.directory / "access.log"
        log.touch()
        timeouts = {"connect": f"{RESPONSE_S * 1000:.0f}ms", "response": f"{RESPONSE_S * 1000:.0f}ms", "idle": f"{IDLE_S * 1000:.0f}ms"}
        self.proxy: Headgate = scene.headgate(
            {
                "frail": {"versions": versions(v1=self.frail.url), "target": "v1", "timeouts": timeouts},
                "sound": {"versions": versions(v1=self.sound.url), "target": "v1"},
            },
            access_log={"path": str(log)},
            **settings,
        )
        self._log = log.open()
        self._lines: Counts = Counter()
        self._held = self._unaccounted(self.proxy.metrics())

    def close(self) -> None:
        """Read the log no more."""
        self._log.close()

    def load(self) -> Load:
        """Good traffic to the sound service."""
        return Load(self.proxy.port, [get("sound")], connections=LOAD_CONNECTIONS, pause_s=LOAD_PAUSE_S)

    def logged(self) -> Counts:
        """Codes and causes of all lines so far, as metrics have them."""
        for line in self._log:
            event = json.loads(line)
            self._lines[event["service"], "code", str(event["code"])] += 1
            if "cause" in event:
                self._lines[event["service"], "cause", event["cause"]] += 1
        return self._lines.copy()

    def counted(self) -> Counts:
        """Codes and causes that the metrics have now, none that is 0."""
        figures = self.proxy.metrics()
        counts: Counts = Counter()
        for what, name in (("code", "headgate_requests_total"), ("cause", "headgate_failures_total")):
            for labels, value in figures.get(name, {}).items():
                if value:
                    by_name = dict(labels)
                    counts[by_name["service"], what, by_name[what]] += int(value)
        return counts

    def in_flight(self) -> float:
        """Requests of the frail service under way."""
        return total(self.proxy.metrics(), "headgate_requests_in_flight", service="frail")

    def parted(self) -> bool:
        """Whether there is no connection to the frail service's origin."""
        return total(self.proxy.metrics(), "headgate_connections", service="frail") == 0

    def asks_well(self) -> None:
        """The frail service answers, its origin being good."""
        with Raw(self.proxy.port) as client:
            assert (200, b"frail\n") == read(client.says(get("frail")))

    def accounted(self) -> bool:
        """Whether no request is under way, no client here, and no worker holds a descriptor that is no connection, beyond its first."""
        figures = self.proxy.metrics()
        busy = total(figures, "headgate_requests_in_flight") + total(figures, "headgate_connections", state="active")
        return busy == total(figures, "headgate_client_connections") == 0 and self._unaccounted(figures) == self._held

    def rest(self) -> str:
        """What ``accounted`` looks at."""
        figures = self.proxy.metrics()
        levels = ("headgate_requests_in_flight", "headgate_connections", "headgate_client_connections")
        return f"{self._unaccounted(figures) - self._held} descriptors; {[figures[name] for name in levels]}"

    def _unaccounted(self, figures: Figures) -> int:
        """Descriptors of the workers that are no connection in ``figures``."""
        known = total(figures, "headgate_client_connections") + total(figures, "headgate_connections")
        return sum(map(descriptors, self.proxy.workers())) - int(known)


def descriptors(pid: int) -> int:
    """How many a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def read(client: Raw) -> tuple[int, bytes]:
    """Status and whole body of one answer; whatever ``http.client`` raises where the body is not whole."""
    response = http.client.HTTPResponse(client.sock)
    response.begin()
    return response.status, response.read()


def got(client: Raw) -> str:
    """What a client can tell of the answer it got, in the words of the table."""
    response = http.client.HTTPResponse(client.sock)
    try:
        response.begin()
    except ConnectionResetError:  # http.client's name for an end before any answer is one, too
        return LOST
    try:
        response.read()
    except (http.client.IncompleteRead, ConnectionResetError):
        return f"{response.status}, cut short"
    return f"{response.status}, whole" if response.status == 200 else str(response.status)


def goes(client: Raw, how: str) -> None:
    """The client ends its connection, or its half of it."""
    if how == "half":
        client.sock.shutdown(socket.SHUT_WR)
        return
    if how == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()


def outcome_of(fault: Fault, site: Site) -> str:
    """Do it; what the client got."""
    heard = ""
    with Raw(site.proxy.port) as client:
        for _ in range(fault.times):
            client.says(fault.request + bytes(fault.upload))
            if fault.leaves:
                under_way(fault, site, client)
                goes(client, fault.leaves)
            heard = NOTHING if fault.leaves in ("close", "reset") else got(client)
            if heard != fault.gets:
                break
            if fault.apart:
                until(site.parted, BOUND_S, "the origin has closed its connection")
    return heard


def under_way(fault: Fault, site: Site, client: Raw) -> None:
    """Wait until the fault's moment has come: the proxy has read what was sent, or the client has heard enough."""
    if fault.after:
        assert fault.after in client.hears_until(fault.after)
    elif fault.code:
        until(lambda: site.in_flight() == 1, BOUND_S, "the request is under way")
    else:
        clients = LOAD_CONNECTIONS + 1
        until(lambda: total(site.proxy.metrics(), "headgate_client_connections") == clients, BOUND_S, "the connection is there")


def expected(fault: Fault, load: Outcome) -> Counts:
    """What must have been counted: the fault, the good request after it, and the load."""
    counts: Counts = Counter({("frail", "code", "200"): 1, ("sound", "code", "200"): len(load.answers)})
    if fault.code:
        counts["frail", "code", str(fault.code)] += fault.times
    if fault.cause:
        counts["frail", "cause", fault.cause] += fault.times
    return counts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    scene = Scene(tmp_path_factory.mktemp("faults"))
    try:
        site = Site(scene)
        yield site
        site.close()
    finally:
        scene.close()


@pytest.mark.parametrize(
    "fault", [*ORIGIN, *CLIENT], ids=[*(f"origin {f.name}" for f in ORIGIN), *(f"client {f.name}" for f in CLIENT)]
)
def test_a_fault_costs_what_the_table_says_and_nobody_else(site: Site, fault: Fault) -> None:
    site.frail.behave()
    site.asks_well()
    until(site.accounted, BOUND_S, site.rest)
    until(lambda: site.logged() == site.counted(), BOUND_S, "all is logged")
    counts, retries = site.counted(), total(site.proxy.metrics(), "headgate_retries_total", service="frail")
    with site.load().running() as load:
        until(lambda: len(load.answers) >= LOAD_ANSWERS, BOUND_S, "load")
        site.frail.behave(**fault.manners)
        if fault.manners.get("mode") in ("refuse", "full"):
            until(site.parted, BOUND_S, "its connections have ended")
        at = len(load.answers)
        heard = outcome_of(fault, site)
        until(lambda: site.in_flight() == 0, BOUND_S, "the end of the request")
        until(lambda: len(load.answers) >= at + LOAD_ANSWERS, BOUND_S, "load")
        sent_again = total(site.proxy.metrics(), "headgate_retries_total", service="frail") - retries
        site.frail.behave()
        site.asks_well()

    assert (fault.gets, [], []) == (heard, load.failures, load.bad)
    assert fault.retries in (None, sent_again)
    until(site.accounted, BOUND_S, site.rest)
    assert expected(fault, load) == site.counted() - counts
    until(lambda: site.logged().total() >= site.counted().total(), BOUND_S, "all is logged")
    assert site.counted() == site.logged()


def test_a_killed_worker_cuts_what_is_in_it_and_all_else_is_counted_exactly(tmp_path: Path) -> None:
    with closing(Scene(tmp_path)) as scene, closing(Site(scene, workers=2)) as site, ExitStack() as waiting:
        with site.load().running() as load:
            until(lambda: len(load.answers) >= LOAD_ANSWERS, BOUND_S, "load")
            clients = [waiting.enter_context(Raw(site.proxy.port)).says(get("frail", "/slow/1000")) for _ in range(WAITING)]
            until(lambda: site.frail.seen().requests == WAITING, BOUND_S, "all requests are with the origin")
            killed_at = CLOCK.now()
            os.kill(max(site.proxy.workers(), key=descriptors), signal.SIGKILL)
            heard = Counter(got(client) for client in clients)
            until(lambda: len(site.proxy.workers()) == 2, BOUND_S, "another worker")
            at = len(load.answers)
            until(lambda: len(load.answers) >= at + LOAD_ANSWERS, BOUND_S, "load")
            site.asks_well()
        waiting.close()

        assert {WHOLE, LOST} >= {*heard}
        assert heard[LOST], "the worker that was killed had requests"
        assert [] == load.bad + [f for f in load.failures if not f.sent_at - DYING_S <= killed_at <= f.at]
        assert len(load.failures) <= LOAD_CONNECTIONS
        until(site.accounted, BOUND_S, site.rest)
        own = ("frail", "code", "200")
        assert {own: heard[WHOLE] + 1} == {key: count for key, count in site.counted().items() if key[0] == "frail"}
        until(lambda: site.logged()[own] == heard[WHOLE] + 1, BOUND_S, "the same in the log")


def test_a_candidate_that_every_client_leaves_is_charged_with_nothing(tmp_path: Path) -> None:
    """Rule 37. So many failures of the candidate alone would have ended its rollout long before the last."""
    asking = 60
    with closing(Scene(tmp_path)) as scene, ExitStack() as stack:
        origins = {name: scene.origin(name) for name in ("v1", "v2")}
        steps = [{"weight": 50, "for": "1h"}]
        shop = {
            "versions": versions(**{name: origin.url for name, origin in origins.items()}),
            "target": "v1",
            "rollout": {"steps": steps},
        }
        proxy = scene.headgate({"shop": shop})
        proxy.say("start", to="v2")
        until(lambda: proxy.service()["weights"] == {"v1": 50, "v2": 50}, BOUND_S, lambda: str(proxy.service()))
        origins["v2"].behave(mode="hang")
        clients = [stack.enter_context(Raw(proxy.port)).says(get("shop")) for _ in range(asking)]
        until(lambda: sum(origin.seen().requests for origin in origins.values()) == asking, BOUND_S, "all have asked")
        left = origins["v2"].seen().requests
        assert left > 10, "those whom the candidate does not answer"
        for client in clients:
            goes(client, "reset")
        until(lambda: total(proxy.metrics(), "headgate_requests_in_flight") == 0, BOUND_S, "all have left")

        figures = proxy.metrics()
        gone = total(figures, "headgate_requests_total", version="v2", code="499")
        assert (left, 0.0) == (gone, total(figures, "headgate_failures_total"))
        assert ("v2", {"v1": 50, "v2": 50}) == (proxy.service()["candidate"], proxy.service()["weights"])
