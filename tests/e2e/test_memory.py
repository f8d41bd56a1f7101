"""A slow reader, on either side, never grows the proxy's memory (rule 41, invariant 10)."""

from __future__ import annotations

import socket

import pytest

from tests.kit.clients import get
from tests.kit.processes import Headgate, resident_kib
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import CLOCK, for_a_while, until

MIB = 1024 * 1024
BODY_BYTES = 1024 * MIB
GROWTH_KIB_MAX = 4 * 1024
STOPPED_S = 1.5
CLIENTS = 1000


@pytest.fixture
def proxy(scene: Scene) -> Headgate:
    origin = scene.origin("v1")
    return scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}})


class Watch:
    """The most that a worker's memory has grown, whenever somebody looked."""

    def __init__(self, proxy: Headgate) -> None:
        with Raw(proxy.port) as warm:  # first requests fill tables and pools
            for _ in range(50):
                warm.says(get()).hears_until(b"v1\n")
            warm.says(get(path=f"/bytes/{MIB}"))
            received(warm, MIB)
        self._pid = proxy.workers()[0]
        self._before = resident_kib(self._pid)
        self.most_kib = 0

    def look(self) -> bool:
        """Always true, for it stands in conditions."""
        self.most_kib = max(self.most_kib, resident_kib(self._pid) - self._before)
        return True


def received(talk: Raw, length: int, watch: Watch | None = None) -> int:
    """Read a head and ``length`` bytes of a body; returns how many came."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += talk.sock.recv(65536)
    got = len(head.partition(b"\r\n\r\n")[2])
    looks = 0
    while got < length and (piece := talk.sock.recv(1 << 18)):
        got += len(piece)
        looks += 1
        if watch is not None and looks % 64 == 0:
            watch.look()
    return got


def told(what: str, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the figure a test stands on."""
    with capsys.disabled():
        print(f"\n    {what}: the worker grew by {watch.most_kib} KiB at most")


@pytest.mark.slow
def test_a_download_of_1_gib_to_a_reader_that_stops_for_a_while_grows_the_proxy_by_less_than_4_mib(
    proxy: Headgate, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(proxy)
    with Raw(proxy.port, timeout_s=60) as talk:
        talk.says(get(path=f"/bytes/{BODY_BYTES}"))
        for_a_while(watch.look, STOPPED_S, "")
        got = received(talk, BODY_BYTES, watch)

    told("1 GiB down", watch, capsys)
    assert (BODY_BYTES, True) == (got, watch.most_kib < GROWTH_KIB_MAX), watch.most_kib


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_of_1_gib_to_an_origin_that_stops_for_a_while_grows_the_proxy_by_less_than_4_mib(
    scene: Scene, framing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20)
        warm = scene.origin("v1")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        routes = [{"match": {"path": "/up"}, "service": "slow"}, {"match": {}, "service": "shop"}]
        services = {
            "shop": {"versions": versions(v1=warm.url), "target": "v1"},
            "slow": {"versions": versions(v1=url), "target": "v1"},
        }
        proxy = scene.headgate(services, routes=routes)
        watch = Watch(proxy)
        with Raw(proxy.port, timeout_s=0.2) as talk:
            got = uploaded(talk, listener, framing, watch)

    told(f"1 GiB up ({framing})", watch, capsys)
    assert (True, True) == (got >= BODY_BYTES, watch.most_kib < GROWTH_KIB_MAX), (got, watch.most_kib)


def uploaded(talk: Raw, listener: socket.socket, framing: str, watch: Watch) -> int:
    """Send a body while nobody reads it, until it goes no further, and for a while longer; then read it. Returns bytes of the body."""
    line = f"Content-Length: {BODY_BYTES}" if framing == "length" else "Transfer-Encoding: chunked"
    piece = b"x" * 65536
    framed = piece if framing == "length" else b"10000\r\n" + piece + b"\r\n"
    talk.says(f"POST /up HTTP/1.1\r\nHost: shop\r\n{line}\r\n\r\n".encode())
    origin, _ = listener.accept()
    with origin:
        origin.settimeout(20)
        talk.sock.setblocking(False)
        left, unsent, read, stopped = BODY_BYTES, b"", 0, 0.0
        ends = CLOCK.now() + 90
        while read < BODY_BYTES and CLOCK.now() < ends:
            while left or unsent:
                if not unsent:
                    unsent, left = framed, left - len(piece)
                try:
                    unsent = unsent[talk.sock.send(unsent) :]
                except BlockingIOError:
                    break
            watch.look()
            if not stopped:
                assert left, "nothing held the client back"
                for_a_while(watch.look, STOPPED_S, "")
                stopped = CLOCK.now()
            read += len(origin.recv(1 << 18))
        assert left < BODY_BYTES
    return read


def test_1000_idle_connections_are_kept_and_each_still_answered(proxy: Headgate, capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(proxy)
    talks = [Raw(proxy.port) for _ in range(CLIENTS)]
    try:
        first = [talk.says(get()).hears_until(b"v1\n")[:12] for talk in talks]
        watch.look()
        until(lambda: proxy.get("/api/v1/status")["connections"] >= CLIENTS, 10, "1000 connections are counted")
        again = [talk.says(get()).hears_until(b"v1\n")[:12] for talk in talks]
    finally:
        for talk in talks:
            talk.sock.close()
    watch.look()

    told(f"{CLIENTS} idle connections", watch, capsys)
    assert ({b"HTTP/1.1 200"}, {b"HTTP/1.1 200"}) == (set(first), set(again))
    until(lambda: proxy.get("/api/v1/status")["connections"] == 0, 10, "none is left")
