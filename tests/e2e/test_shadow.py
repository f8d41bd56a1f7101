"""Shadow traffic on real processes: a small real service, a rewrite of it, and everything a shadow can do wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kit.catalogue import ITEMS
from tests.kit.clients import Answer, ask_all, get
from tests.kit.processes import Child, Headgate, free_ports
from tests.kit.scene import Scene
from tests.kit.waiting import until

pytestmark = pytest.mark.e2e

SETTLE_S = 30.0
CROWD = 200
"""Fewer than a worker lets wait for the comparer."""


class Build:
    """One running build of the catalogue."""

    def __init__(self, scene: Scene, name: str, *changes: str) -> None:
        [self.port] = free_ports(1)
        self.child = Child([sys.executable, "-m", "tests.kit.catalogue", str(self.port), *changes], scene.directory, name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def wrote(self) -> list[str]:
        """Every write that reached it."""
        return [line for line in self.child.log.read_text().splitlines() if line.startswith("WRITE")]

    def until_up(self) -> None:
        until(lambda: self._answers(), SETTLE_S, lambda: f"it answers; {self.child.tail()}")

    def _answers(self) -> bool:
        try:
            return ask_all(self.port, [get(path="/items")])[0].good
        except (OSError, AssertionError):
            return False


@contextmanager
def compared(scene: Scene, *changes: str, noise: bool, **shadow: Any) -> Iterator[tuple[Headgate, list[Build]]]:
    """headgate before a good build, with copies to a build that has ``changes``, and to another good one as the noise leg."""
    builds = [Build(scene, "v1"), Build(scene, "v2", *changes)] + ([Build(scene, "v1b")] if noise else [])
    try:
        for build in builds:
            build.until_up()
        names = ("v1", "v2", "v1b")[: len(builds)]
        settings: dict[str, Any] = {"version": "v2", "percent": 100, "max_in_flight": 1000} | shadow
        if noise:
            settings["noise"] = "v1b"
        services = {
            "shop": {
                "versions": {name: {"endpoints": [build.url]} for name, build in zip(names, builds, strict=True)},
                "target": "v1",
                "shadow": settings,
            }
        }
        routes = [{"match": {"path_prefix": "/items"}, "service": "shop"}, {"match": {}, "service": "shop"}]
        proxy = scene.headgate(services, routes=routes)
        until(lambda: begun(proxy), SETTLE_S, "a first pair is compared")
        yield proxy, builds
    finally:
        for build in builds:
            build.child.end()


def begun(proxy: Headgate) -> bool:
    """Whether pairs get to the comparer, which starts beside the workers and is waited for by nobody."""
    ask_all(proxy.port, reads(1))
    copies = settled(proxy)["copies"]  # with a share of the requests the first ones may have no copy
    return "v2" in copies and bool(set(copies["v2"]["results"]) - {"error"})


def reads(count: int) -> list[bytes]:
    """Requests of three kinds in turn."""
    paths = [f"/items/{i % ITEMS + 1}" if i % 3 == 0 else "/items" if i % 3 == 1 else f"/search?q=lamp%20{i % 9}" for i in range(count)]
    return [get(path=path) for path in paths]


def settled(proxy: Headgate) -> dict[str, Any]:
    """What became of the copies, and the report, once every sampled request has its result."""

    def seen() -> dict[str, Any] | None:
        proxy.metrics()  # has every worker send its counts
        body: dict[str, Any] = proxy.get("/api/v1/services/shop/shadow")
        copies = body["copies"].get("v2", {"sampled": 0, "results": {}, "dropped": {}})
        return body if copies["sampled"] == sum(copies["results"].values()) + sum(copies["dropped"].values()) else None

    found = until(seen, SETTLE_S, lambda: f"all copies have results: {proxy.get('/api/v1/services/shop/shadow')['copies']}")
    assert found is not None
    return found


def different(body: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    """Kinds of differences by route and path."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in body["report"]["routes"]:
        for path in route["paths"]:
            if path["finding"] == "differs":
                found.setdefault((route["route"], path["path"]), []).append(path["kind"])
    return found


def ask(proxy: Headgate, heads: list[bytes]) -> tuple[list[Answer], dict[str, Any]]:
    """Ask in crowds, each compared before the next, for what is faster than the comparer is dropped; answers and the report."""
    answers: list[Answer] = []
    dropped = proxy.get("/api/v1/services/shop/shadow")["copies"]["v2"]["dropped"]
    for start in range(0, len(heads), CROWD):
        answers += ask_all(proxy.port, heads[start : start + CROWD], connections=4, depth=2)
        body = settled(proxy)
    assert body["copies"]["v2"]["dropped"] == dropped, proxy.child.tail()
    return answers, body


def test_two_equal_builds_show_no_difference_in_fifty_volatile_fields_and_a_random_one(scene: Scene) -> None:
    with compared(scene, noise=True) as (proxy, _):
        answers, body = ask(proxy, reads(900))

    assert [answer.status for answer in answers if not answer.good] == []
    assert different(body) == {}
    assert body["report"]["word"] in ("same", "cannot tell yet")


def test_what_a_rewrite_changed_is_named_by_its_path_and_nothing_else(scene: Scene) -> None:
    with compared(scene, "renamed", "rounded", "reordered", "rare_500", noise=True) as (proxy, _):
        _, body = ask(proxy, reads(1800))

    item, items = "$.data", "$.data.items[]"
    assert different(body) == {
        ("*/items/*", f"{item}.title"): ["missing"],
        ("*/items/*", f"{item}.label"): ["extra"],
        ("*/items/*", f"{item}.weight_kg"): ["value"],
        ("*/items/*", "status"): ["value"],
        ("*/items/*", "$.data.items"): ["order"],
        ("*/items/*", f"{items}.title"): ["missing"],
        ("*/items/*", f"{items}.label"): ["extra"],
        ("*/items/*", f"{items}.weight_kg"): ["value"],
    }
    assert body["report"]["word"] == "different"


def test_a_slower_query_is_seen_in_the_pairs_latencies(scene: Scene) -> None:
    with compared(scene, "slow", noise=False, ignore=["$.meta", "$.lucky"]) as (proxy, _):
        _, body = ask(proxy, reads(300))
    ratios = {route["route"]: route["latency_ratio"] for route in body["report"]["routes"]}

    assert ratios["*/*"]["low"] > 1.5
    assert ratios["*/*"]["median"] > ratios["*/items/*"]["median"]  # a busy machine answers every copy late


def test_no_unsafe_request_of_20000_reaches_the_shadow(scene: Scene) -> None:
    methods = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT", "MKCOL")
    with compared(scene, noise=False, percent=20, compare=False) as (proxy, builds):
        heads = [f"{methods[i % 10]} /orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n".encode() for i in range(20_000)]
        heads = [head for head in heads if not head.startswith(b"HEAD")] + [b"GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n"] * 2000
        ask_all(proxy.port, heads, connections=8, depth=4)
        proxy.metrics()  # has every worker send its counts
        copies = proxy.get("/api/v1/services/shop/shadow")["copies"]["v2"]
        methods_seen = {line.split()[1] for line in builds[1].wrote}

    safe = 6000
    assert methods_seen <= {"GET", "HEAD", "OPTIONS"}
    assert abs(copies["sampled"] - 0.2 * safe) < 5 * (safe * 0.2 * 0.8) ** 0.5
