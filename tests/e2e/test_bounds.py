"""What the configuration bounds is bounded for the whole proxy, however many workers it has."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from tests.kit.clients import get
from tests.kit.processes import free_ports, total
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

WITHIN_S = 10.0
TRIED = 24


def answered(client: Raw) -> bool:
    """Whether it got an answer, and not a reset."""
    with suppress(ConnectionError):
        return client.hears_until(b"v1\n") != b""
    return False


def test_a_listener_of_two_workers_holds_as_many_connections_as_it_may(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    listener = {"name": "web", "address": f"127.0.0.1:{port}", "max_connections": 4}
    with ExitStack() as stack:
        scene = Scene(tmp_path)
        stack.callback(scene.close)
        shop = {"versions": versions(v1=scene.origin("v1").url), "target": "v1"}
        proxy = scene.headgate({"shop": shop}, workers=2, listeners=[listener])
        clients = [stack.enter_context(Raw(port)).says(get("shop")) for _ in range(TRIED)]
        until(lambda: total(proxy.metrics(), "headgate_listener_refused_total") == TRIED - 4, WITHIN_S, lambda: str(proxy.metrics()))

        assert 4 == sum(map(answered, clients))
        assert 4 == total(proxy.metrics(), "headgate_listener_connections")
