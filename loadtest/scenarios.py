"""What is asked, as data. A new scenario is one entry here; the origin serves whatever sizes stand in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from loadtest.setting import PLAIN, Setting

KIB = 1024

BROWSER_HEADERS: tuple[tuple[str, str], ...] = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://shop.example/catalogue/lamps?page=3"),
    ("Cookie", "session=6b1f0c2e9d5a4f7788b0c1d2e3f40516; theme=dark; consent=yes"),
    ("Cache-Control", "no-cache"),
    ("Sec-Ch-Ua", '"Chromium";v="126", "Not.A/Brand";v="24"'),
    ("Sec-Ch-Ua-Platform", '"Linux"'),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
)
"""Twelve fields, besides Host: what a browser sends with a page view."""


OWN_HEADERS = tuple(
    (name, {"Cookie": "session={user:032x}; theme=dark", "Referer": "https://shop.example/lamps?page={user}"}.get(name, value))
    for name, value in BROWSER_HEADERS
)
"""The same with a cookie and a page of each user's own, so that remembering header lines from the last request helps less."""

Kind = Literal["requests", "open-loop", "idle", "websocket", "workers"]
Cast = Literal["all", "growth", "mirror", "workers"]


@dataclass(frozen=True)
class Scenario:
    """One kind of load. Sizes are bytes of the bodies; ``connections`` are kept alive and always busy.

    ``users`` over 1 send headers of their own in turn: ``{user}`` in a value is the user's number. ``chunk_bytes``: the answer comes in
    chunks of about that size. ``kind`` is how it is driven and which figures come of it, ``cast`` who plays.
    """

    name: str
    title: str
    method: str = "GET"
    request_bytes: int = 0
    answer_bytes: int = 100
    connections: int = 64
    users: int = 1
    headers: tuple[tuple[str, str], ...] = BROWSER_HEADERS
    chunk_bytes: int = 0
    setting: Setting = PLAIN
    kind: Kind = "requests"
    cast: Cast = "all"

    @property
    def path(self) -> str:
        """Where the origin answers it."""
        return f"/{self.name}"

    @property
    def answer(self) -> bytes:
        """The body every contender must hand on unchanged."""
        return (b"All work and no play makes a dull proxy. " * (self.answer_bytes // 41 + 1))[: self.answer_bytes]

    def with_cookie(self, cookie: str) -> Scenario:
        """The same from a user who has that cookie too (``name=value``, or empty)."""
        if not cookie:
            return self
        return replace(self, headers=tuple((n, f"{v}; {cookie}" if n == "Cookie" else v) for n, v in self.headers))


STICKY = Setting(sticky=True)
PRODUCTION = Setting(sticky=True, log=True)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("small-get", "GET, 12 browser headers, 100-byte answer"),
        Scenario("many-users", "GET, 12 headers from 5,000 browsers in turn, 100-byte answer", users=5000, headers=OWN_HEADERS),
        Scenario("sticky", "GET as before, users kept to their version by cookie, metrics", setting=STICKY),
        Scenario("sticky-users", "the same from 5,000 browsers in turn", users=5000, headers=OWN_HEADERS, setting=STICKY),
        Scenario("production", "the same from one browser, with a JSON access log", setting=PRODUCTION),
        Scenario("post-16k", "POST of 16 KiB, 12 browser headers, 100-byte answer", method="POST", request_bytes=16 * KIB),
        Scenario("get-64k", "GET, 12 browser headers, 64 KiB answer", answer_bytes=64 * KIB),
        Scenario("get-1m", "GET, 12 browser headers, 1 MiB answer", answer_bytes=KIB * KIB, connections=16),
        Scenario("chunked", "GET, 12 browser headers, 16 KiB answer in chunks", answer_bytes=16 * KIB, chunk_bytes=4 * KIB),
        Scenario(
            "new-connection",
            "GET, 12 browser headers, a new connection for each",
            headers=(*BROWSER_HEADERS, ("Connection", "close")),
        ),
        Scenario("tls", "GET, 12 browser headers, TLS kept alive", setting=Setting(tls=True)),
        Scenario("open-loop", "2,000 GETs a second, whatever became of those before", kind="open-loop"),
        Scenario("idle-5k", "5,000 idle kept-alive connections", connections=5000, setting=Setting(clients=5000), kind="idle"),
        Scenario("idle-10k", "10,000 idle kept-alive connections", connections=10_000, setting=Setting(clients=10_000), kind="idle"),
        Scenario("websocket", "WebSocket echo of 100 bytes", kind="websocket"),
        Scenario("mirror", "GET, 12 browser headers, every request copied to a second origin", cast="mirror"),
        Scenario(
            "workers",
            "GET, one worker with client and origin on one core, two workers with them on two",
            kind="workers",
            cast="workers",
        ),
        Scenario("growth", "GET, 12 browser headers, with more and more routes and versions", cast="growth"),
    )
}

SPLIT = (95, 5)
"""Percent of the requests that each of the two origins gets from every proxy."""
