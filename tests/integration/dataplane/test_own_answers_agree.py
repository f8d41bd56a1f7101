"""Every kind of answer that the proxy makes by itself, on real sockets: counters, access log and spans tell the same of it, once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.dataplane.own_answers import WORDS
from proxy.dataplane.plane import DataPlane
from proxy.dataplane.tracing import Ended, Tracer
from proxy.model.intent import AccessLog, Listener, Tracing
from proxy.model.plan import RoutePlan
from proxy.model.route import Match, RateLimit, Redirect, Route
from proxy.model.service import Endpoint, EndpointLimits, Version
from tests.kit.conversation import plan
from tests.kit.real_plane import on_uvloop, origin, serving
from tests.kit.waiting import eventually

HOST = b"Host: a\r\n\r\n"
LONG = b"x" * limits.HEAD_BYTES_MAX
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Told = tuple[str, str, int, str]  # service, version, code, word

KINDS: dict[str, tuple[bytes, list[Told]]] = {
    "no route": (b"GET /none HTTP/1.1\r\n" + HOST, [("", "", 404, "no_route")]),
    "no route, twice on one connection": ((b"GET /none HTTP/1.1\r\n" + HOST) * 2, [("", "", 404, "no_route")] * 2),
    "a loop": (b"GET /shop HTTP/1.1\r\nVia: 1.1 PSEUDONYM\r\n" + HOST, [("", "", 508, "loop")]),
    "bad framing": (b"GET /shop HTTP/1.1\r\nContent-Length: 1, 2\r\n" + HOST, [("", "", 400, "malformed")]),
    "no request line": (b"nonsense\r\n\r\n", [("", "", 400, "malformed")]),
    "a bad request after a good one": (
        b"GET /none HTTP/1.1\r\n" + HOST + b"\0\r\n\r\n",
        [("", "", 404, "no_route"), ("", "", 400, "malformed")],
    ),
    "a long target": (b"GET /" + b"x" * limits.TARGET_BYTES_MAX + b" HTTP/1.1\r\n" + HOST, [("", "", 414, "target_limit")]),
    "a large head": (b"GET /shop HTTP/1.1\r\nX: " + LONG + b"\r\n" + HOST, [("", "", 431, "head_limit")]),
    "a tunnel asked for": (b"CONNECT a:1 HTTP/1.1\r\n" + HOST, [("", "", 405, "method")]),
    "an expectation": (b"PUT /shop HTTP/1.1\r\nContent-Length: 1\r\nExpect: what\r\n" + HOST, [("", "", 417, "expectation")]),
    "another coding": (b"PUT /shop HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + HOST, [("", "", 501, "not_implemented")]),
    "another HTTP": (b"GET /shop HTTP/3.0\r\n" + HOST, [("", "", 505, "http_version")]),
    "a head that does not end": (b"GET /shop HTTP/1.1\r\n", [("", "", 408, "too_slow")]),
    "a redirect": (b"GET /old HTTP/1.1\r\n" + HOST, [("", "", 302, "redirect")]),
    "a rate limit": ((b"GET /rare HTTP/1.1\r\n" + HOST) * 2, [("shop", "v1", 200, ""), ("shop", "", 429, "rate_limit")]),
    "a body known to be too large": (b"PUT /small HTTP/1.1\r\nContent-Length: 9\r\n" + HOST, [("shop", "", 413, "body_limit")]),
    "a body that proves too large": (
        b"PUT /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"9\r\n123456789\r\n",
        [("shop", "v1", 413, "body_limit")],
    ),
    "a bad chunk": (b"PUT /shop HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"nine\r\n", [("shop", "v1", 400, "malformed")]),
    "another host than the certificate's": (b"GET /shop HTTP/1.1\r\nHost: not.ours\r\n\r\n", [("", "", 421, "misdirected")]),
    "a redirect to https": (b"GET /shop HTTP/1.1\r\nHost: plain\r\n\r\n", [("", "", 308, "redirect")]),
    "a client that leaves": (b"PUT /shop HTTP/1.1\r\nContent-Length: 9\r\n" + HOST + b"abc", [("shop", "v1", 499, "gone")]),
    "no place": (b"GET /full HTTP/1.1\r\n" + HOST, [("full", "v1", 503, "busy")]),
}


def routes(log: Path, port: int) -> RoutePlan:
    base = plan(versions=(Version("v1", (Endpoint("127.0.0.1", port),)),))
    full = msgspec.structs.replace(base.services[0], name="full", limits=EndpointLimits(max_requests=1, queue=0))
    return msgspec.structs.replace(
        base,
        services=(*base.services, full),
        routes=(
            Route(Match(path="/shop"), "shop"),
            Route(Match(path="/full"), "full"),
            Route(Match(path="/rare"), "shop", rate_limit=RateLimit(1, 3600.0, 1)),
            Route(Match(path="/small"), "shop", body_limit=4),
            Route(Match(path="/old"), redirect=Redirect(path="/new", status=302)),
        ),
        access_log=AccessLog(str(log)),
        listeners=(Listener(name="web", redirect_to_https=True),),
    )


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


def set_door(plane: DataPlane) -> None:
    """One listener that does what two do: it redirects the host `plain`, and says 421 to the host `not.ours`."""
    door: Any = plane.doors["web"]
    own: Callable[..., Any] = door.answer
    by_name = {"plain": True, "not.ours": False}

    def answer(request: Any, peer: Any, _secure: Any) -> Any:
        redirects = by_name.get(request.host.decode())
        if redirects is None:
            return None
        door.redirects, door.tls = redirects, SimpleNamespace(covers=lambda _host: False)
        try:
            return own(request, peer, SimpleNamespace(asked_name="a"))
        finally:
            door.tls = None

    door.answer = answer


async def ask(port: int, said: bytes) -> None:
    """Say it and read until the proxy closes, or has answered all there is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    if not said.endswith(b"HTTP/1.1\r\n"):
        writer.write_eof()
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()


def count(plane: DataPlane) -> Counter[tuple[str, str, int]]:
    """As `headgate_requests_total` adds it up."""
    snapshot = plane.snapshot()
    counts = Counter({("", "", code): number for code, number in snapshot.unmatched.items()})
    counts.update({(service, "", code): number for service, codes in snapshot.own.items() for code, number in codes.items()})
    counts.update({(cell.service, cell.version, code): number for cell in snapshot.cells for code, number in cell.requests.items()})
    return counts


@pytest.mark.parametrize("name", [*KINDS, "all of them"])
def test_counters_log_and_spans_agree_on_our_own_answers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_TIMEOUT_S", 0.05)
    kinds = list(KINDS.values()) if name == "all of them" else [KINDS[name]]
    expected = Counter(told for _, answers in kinds for told in answers)
    spans: list[Ended] = []
    log = tmp_path / "log"
    counted: Counter[tuple[str, str, int]] = Counter()

    async def run() -> None:
        async with origin(answering) as port, serving(routes(log, port)) as (plane, ours):
            plane.tracer = Tracer(Tracing("http://c/", 1.0), export=lambda _url: lambda batch: spans.extend(batch) or True)
            set_door(plane)
            pool = plane.table.splits["full"].legs[0].pools[0]
            pool.active += 1  # as many as it may have
            for said, _ in kinds:
                await ask(ours, said.replace(b"PSEUDONYM", plane.pseudonym))
            pool.active -= 1
            await eventually(lambda: not plane.downstreams, 5, "a connection is left")
            counted.update(count(plane))

    on_uvloop(run)
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert expected == Counter((line["service"], line["version"], line["code"], line.get("own", "")) for line in lines)
    assert expected == Counter((span.service, span.version, span.code, span.own) for span in spans)
    assert counted == _without_words(expected)


def _without_words(told: Counter[Told]) -> Counter[tuple[str, str, int]]:
    sums: Counter[tuple[str, str, int]] = Counter()
    for (service, version, code, _), number in told.items():
        sums[service, version, code] += number
    return sums


def test_every_word_for_an_own_answer_is_among_the_kinds() -> None:
    assert set(WORDS.values()) == {word for _, answers in KINDS.values() for *_, word in answers if word}
