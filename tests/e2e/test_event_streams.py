"""Server-sent events through a rollout that goes wrong: who listens to the candidate is sent back over `drain`, comes again to stable,
and nobody else notices anything."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, suppress

from proxy.clock import SystemClock
from tests.kit.clients import Load, get
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

CLOCK = SystemClock()
DRAIN_S = 2.0
EACH = 4
TRIES = 100
WITHIN_S = 20.0
NEVER = 1_000_000_000
CONNECTIONS = 4
PAUSE_S = 0.01
LAST_CHUNK = b"\r\n0\r\n\r\n"
LATER = 50  # answers after the rollback that must be good, too


class EventSource:
    """Listens, and connects again at once whenever its stream ends. ``versions`` are those it heard, one a stream;
    ``seemed_whole`` counts streams that ended as if that were all."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._closed = False
        self._client: Raw | None = None
        self.versions: list[str] = []
        self.cut_at: list[float] = []
        self.seemed_whole = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed:
            with suppress(OSError), Raw(self._port) as client:
                self._client = client
                client.says(get("shop", "/events"))
                heard = client.hears_until(b"\n\n")
                if b"data: " in heard:
                    self.versions.append(heard.partition(b"data: ")[2].split(b"\n")[0].decode())
                    heard += client.hears()
                    self.cut_at.append(CLOCK.now())
                    self.seemed_whole += heard.endswith(LAST_CHUNK)

    def close(self) -> None:
        """Listen no more."""
        self._closed = True
        if self._client is not None:
            with suppress(OSError):
                self._client.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(WITHIN_S)


def listening(port: int, stack: ExitStack) -> dict[str, list[EventSource]]:
    """As many on each version."""
    of: dict[str, list[EventSource]] = {"v1": [], "v2": []}
    for _ in range(TRIES):
        if min(map(len, of.values())) >= EACH:
            return of
        source = EventSource(port)
        stack.callback(source.close)
        until(lambda source=source: source.versions, WITHIN_S, "a first event")  # type: ignore[misc]  # the loop's own
        if len(of[source.versions[0]]) < EACH:
            of[source.versions[0]].append(source)
        else:
            source.close()
    raise AssertionError(f"the split gave {of}")


def test_listeners_of_a_candidate_that_turns_bad_come_again_to_stable_and_nobody_else_notices(scene: Scene) -> None:
    with ExitStack() as stack:
        stable, candidate = scene.origin("v1"), scene.origin("v2")
        shop = {
            "versions": versions(v1=stable.url, v2=candidate.url),
            "target": "v1",
            "fallback": True,
            "rollout": {"steps": [{"weight": 50, "min_requests": NEVER}], "drain": f"{DRAIN_S:g}s"},
        }
        proxy = scene.headgate({"shop": shop})
        proxy.say("start", to="v2")
        of = listening(proxy.port, stack)
        load = Load(proxy.port, [get("shop")], connections=CONNECTIONS, pause_s=PAUSE_S)
        with load.running() as outcome:
            until(lambda: len(outcome.answers) > LATER, WITHIN_S, "load")
            candidate.behave(mode="status")
            until(lambda: proxy.service()["phase"] == "rolled_back", WITHIN_S, lambda: str(proxy.service()))
            until(
                lambda: all(source.versions == ["v2", "v1"] for source in of["v2"]),
                WITHIN_S,
                lambda: str([s.versions for s in of["v2"]]),
            )
            at = len(outcome.answers)
            until(lambda: len(outcome.answers) > at + LATER, WITHIN_S, "load")

        ends = [source.cut_at[0] for source in of["v2"]]
        assert DRAIN_S / 4 < max(ends) - min(ends) < DRAIN_S * 2
        assert [(["v1"], [])] * EACH == [(source.versions, source.cut_at) for source in of["v1"]]
        assert 0 == sum(source.seemed_whole for source in of["v2"])
        assert ([], []) == (outcome.failures, outcome.bad)
