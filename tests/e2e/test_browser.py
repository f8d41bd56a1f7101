"""A real browser through the proxy: a page that fetches, posts, listens to events and talks over a WebSocket tells what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.kit.certificates import Authority
from tests.kit.echo import EchoOrigin
from tests.kit.processes import Child, Headgate, free_ports, program
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

TOLD_S = 60.0  # a loaded machine starts a browser in seconds

# Each part becomes one entry of what is posted to /told in the end; one that fails becomes its error.
PAGE = b"""<!doctype html><title>page</title><script>
const parts = {
  fetched: async () => (await (await fetch("/n?x=1", {headers: {"X-Own": "1"}})).json()).target,
  posted: async () => {
    const answer = await (await fetch("/up", {method: "POST", body: new Uint8Array(1000000)})).json();
    return [answer.method, answer.length];
  },
  unpacked: async () => (await (await fetch("/zipped")).text()).length,
  moved: async () => { const answer = await fetch("/moved"); return [answer.redirected, new URL(answer.url).pathname]; },
  streamed: async () => {
    const reader = (await fetch("/trailers")).body.getReader();
    let bytes = 0;
    for (let piece; !(piece = await reader.read()).done;) bytes += piece.value.length;
    return bytes;
  },
  broken: async () => { try { await (await fetch("/short")).text(); return "whole"; } catch (error) { return error.name; } },
  aborted: async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    try { await fetch("/held", {signal: stop.signal}); return "answered"; } catch (error) { return error.name; }
  },
  together: async () => {
    const asked = [...Array(30).keys()].map(async n => (await (await fetch("/n/" + n)).json()).target === "/n/" + n);
    return (await Promise.all(asked)).every(Boolean);
  },
  events: () => new Promise((done, fail) => {
    const source = new EventSource("/events"), got = [];
    source.onmessage = event => { got.push(event.data); if (got.length === 5) { source.close(); done(got); } };
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) fail(new Error("closed after " + got)); };
  }),
  talked: () => new Promise((done, fail) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/chat"), got = [];
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { socket.send("hello"); socket.send(new Uint8Array(300000)); socket.send("bye"); };
    socket.onmessage = event => got.push(event.data.byteLength || event.data);
    socket.onclose = event => done([got, event.code, event.reason, event.wasClean]);
    socket.onerror = () => fail(new Error("socket"));
  }),
};
const told = Object.entries(parts).map(async ([name, part]) => [name, await part().catch(error => String(error))]);
Promise.all(told).then(all => fetch("/told", {method: "POST", body: JSON.stringify(Object.fromEntries(all))}));
</script>"""

EXPECTED = {
    "fetched": "/n?x=1",
    "posted": ["POST", 1_000_000],
    "unpacked": 70_000,
    "moved": [True, "/there"],
    "streamed": 6,
    "broken": "TypeError",  # a body that is cut off is an error, not a short body
    "aborted": "AbortError",
    "together": True,
    "events": [f"event {number}" for number in range(1, 6)],
    "talked": [["hello", 300_000, "bye"], 4000, "you said so", True],
}


def chat(connection: ServerConnection) -> None:
    """Answer every message with itself, and close after ``bye``."""
    for message in connection:
        connection.send(message)
        if isinstance(message, str) and message == "bye":
            connection.close(4000, "you said so")


@dataclass
class Stage:
    """What a browser was told by each scheme."""

    origin: EchoOrigin
    proxy: Headgate
    urls: dict[str, str]
    directory: Path

    def told(self, scheme: str) -> dict[str, Any]:
        """Open the page in a browser and wait for what it has to tell."""
        before = len(self.origin.asked)
        flags = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run")
        own = (f"--user-data-dir={self.directory / scheme}", "--remote-debugging-port=0")  # the latter keeps it from ending at once
        command = [program("chromium-headless-shell"), *flags, *own, f"{self.urls[scheme]}/page"]
        browser = Child(command, self.directory, f"browser-{scheme}")
        try:

            def posted() -> bytes:
                return next((asked.body for asked in self.origin.asked[before:] if asked.target == "/told"), b"")

            told: dict[str, Any] = json.loads(until(posted, TOLD_S, lambda: f"told; {browser.tail()}"))
            return told
        finally:
            browser.end()


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    program("chromium-headless-shell")
    site = Authority(shared_scene.directory).issue("127.0.0.1")
    origin = EchoOrigin()
    origin.pages["/page"] = PAGE
    with serve(chat, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        services = {
            "web": {"versions": versions(v1=origin.url), "target": "v1"},
            "chat": {"versions": versions(v1=f"http://127.0.0.1:{server.socket.getsockname()[1]}"), "target": "v1"},
        }
        proxy = shared_scene.headgate(services, start=False, workers=1)
        secure = free_ports(1)[0]
        tls = {"certificates": [{"cert": site.cert, "key": site.key}]}
        proxy.settings["listeners"].append({"name": "secure", "address": f"127.0.0.1:{secure}", "tls": tls})
        matches = {"chat": "/chat", "web": "/"}
        proxy.settings["routes"] = [{"match": {"path_prefix": path}, "service": name} for name, path in matches.items()]
        proxy.write()
        proxy.start()
        urls = {"http": f"http://127.0.0.1:{proxy.port}", "https": f"https://127.0.0.1:{secure}"}
        yield Stage(origin, proxy, urls, shared_scene.directory)
        proxy.end()
        origin.end()
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_gets_through_the_proxy_whatever_a_page_can_ask_for(stage: Stage, scheme: str) -> None:
    assert EXPECTED == stage.told(scheme)


def test_the_event_source_came_back_where_it_was_cut_off(stage: Stage) -> None:
    before = len(stage.origin.asked)
    stage.told("http")

    streams = [asked for asked in stage.origin.asked[before:] if asked.target == "/events"]
    assert [[], ["3"]] == [asked.header("Last-Event-ID") for asked in streams]
