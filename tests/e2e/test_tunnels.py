"""Real WebSocket clients hold connections open through a started proxy: those of a version that loses its traffic end over `drain`,
those of the version that has it go on."""

from __future__ import annotations

import http.client
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from proxy.clock import SystemClock
from tests.kit.processes import Headgate
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

CLOCK = SystemClock()
DRAIN_S = 2.0
EACH = 5
TRIES = 200
WITHIN_S = 20.0
NEVER = 1_000_000_000


@contextmanager
def chat(name: str, status: int = 200) -> Iterator[str]:
    """An origin that greets with its name and repeats what it hears; it answers other requests with ``status``. Gives its URL."""

    def greet(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            connection.send(name)
            for message in connection:
                connection.send(message)

    def plain(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(status, name) if request.path == "/plain" else None

    with serve(greet, "127.0.0.1", 0, process_request=plain, close_timeout=1) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(WITHIN_S)


class Tunnels:
    """Connections through the proxy, by the version that greeted them."""

    def __init__(self, proxy: Headgate, stack: ExitStack) -> None:
        self.proxy = proxy
        self.of: dict[str, list[ClientConnection]] = {"v1": [], "v2": []}
        self._pool = stack.enter_context(ThreadPoolExecutor(2 * EACH))
        for _ in range(TRIES):
            if min(map(len, self.of.values())) >= EACH:
                break
            client = stack.enter_context(connect(f"ws://127.0.0.1:{proxy.port}/", close_timeout=1, open_timeout=WITHIN_S))
            version = str(client.recv(WITHIN_S))
            if len(self.of[version]) < EACH:
                self.of[version].append(client)
            else:
                client.close()
        assert {"v1": EACH, "v2": EACH} == {version: len(clients) for version, clients in self.of.items()}

    def talk(self, version: str) -> bool:
        """Whether each of that version's still repeats."""
        for number, client in enumerate(self.of[version]):
            client.send(str(number))
            assert str(number) == client.recv(WITHIN_S)
        return True

    def ends(self, version: str) -> list[Future[float]]:
        """When each of that version's ends."""
        return [self._pool.submit(_end, client) for client in self.of[version]]


def _end(client: ClientConnection) -> float:
    with pytest.raises(ConnectionClosed):
        client.recv(WITHIN_S)
    return CLOCK.now()


def spread(ends: list[Future[float]]) -> float:
    """Seconds between the first and the last."""
    times = [end.result(WITHIN_S) for end in ends]
    return max(times) - min(times)


@contextmanager
def trying(scene: Scene, *, status: int = 200, **settings: Any) -> Iterator[Tunnels]:
    """A rollout of v2 at half the traffic, and clients on both."""
    with ExitStack() as stack:
        first, second = stack.enter_context(chat("v1")), stack.enter_context(chat("v2", status))
        shop = {
            "versions": versions(v1=first, v2=second),
            "target": "v1",
            "rollout": {"steps": [{"weight": 50, "min_requests": NEVER}], "drain": f"{DRAIN_S:g}s"},
        }
        proxy = scene.headgate({"shop": shop}, **settings)
        proxy.say("start", to="v2")
        yield Tunnels(proxy, stack)


def test_a_guard_s_rollback_ends_the_candidate_s_tunnels_over_drain_and_none_of_stable(scene: Scene) -> None:
    with trying(scene, status=500) as tunnels:
        ends = tunnels.ends("v2")

        def rolled_back() -> bool:
            for _ in range(20):
                connection = http.client.HTTPConnection("127.0.0.1", tunnels.proxy.port, timeout=WITHIN_S)
                connection.request("GET", "/plain")
                connection.getresponse().read()
                connection.close()
            return bool(tunnels.proxy.service()["phase"] == "rolled_back")

        until(rolled_back, WITHIN_S, "rolled back")

        assert DRAIN_S / 4 < spread(ends) < DRAIN_S * 2
        assert tunnels.talk("v1")


def test_a_promotion_ends_the_old_version_s_tunnels_over_drain_and_none_of_the_new(scene: Scene) -> None:
    with trying(scene) as tunnels:
        ends = tunnels.ends("v1")
        tunnels.proxy.say("promote")

        assert DRAIN_S / 4 < spread(ends) < DRAIN_S * 2
        assert tunnels.talk("v2")


def test_a_reload_touches_no_tunnel_of_either_version(scene: Scene) -> None:
    with trying(scene) as tunnels:
        tunnels.proxy.settings["services"]["shop"]["timeouts"] = {"response": "11s"}
        tunnels.proxy.write()
        tunnels.proxy.post("/-/reload")

        assert tunnels.talk("v1")
        assert tunnels.talk("v2")


def test_a_stop_ends_tunnels_one_by_one_within_drain_timeout(scene: Scene) -> None:
    with trying(scene, drain_timeout=f"{DRAIN_S:g}s") as tunnels:
        ends = [*tunnels.ends("v1"), *tunnels.ends("v2")]
        tunnels.proxy.signal(signal.SIGTERM)

        assert DRAIN_S / 4 < spread(ends) <= DRAIN_S
        assert 0 == tunnels.proxy.child.process.wait(WITHIN_S)
