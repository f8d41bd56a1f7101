"""Thousands of clients that never finish what they say, beside good traffic: nobody else notices, and each is told 408 in the end."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.kit.clients import Paced, get
from tests.kit.processes import Headgate, resident_kib
from tests.kit.raw import Raw
from tests.kit.scene import Scene, versions
from tests.kit.waiting import until

IN_HEAD, IN_BODY = 4000, 1000
RATE = 1000.0
KIB_EACH_MAX = 16  # an open connection with its parser and the beginning of a head
UPLOAD = b"POST /up HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000\r\n\r\nx"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Room for all of them in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < IN_HEAD + IN_BODY + 1000:
        pytest.skip(f"a process may have {before[1]} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Slow:
    """Slow clients; those in a head add a byte to it each time they are asked how they are."""

    def __init__(self, port: int) -> None:
        self.heads = [Raw(port).says(b"GET / HTTP/1.1\r\nHost: shop\r\nX-Slow: ") for _ in range(IN_HEAD)]
        self.bodies = [Raw(port).says(UPLOAD) for _ in range(IN_BODY)]
        self.answers: dict[Raw, bytes] = {}
        for talk in self.heads:
            talk.sock.setblocking(False)

    def all_ended(self) -> bool:
        """Whether each of the heads has had its answer."""
        for talk in self.heads:
            if talk not in self.answers:
                with suppress(BlockingIOError):
                    self.answers[talk] = talk.sock.recv(4096)[:12]
                    continue
                talk.says(b"x")
        return len(self.answers) == IN_HEAD

    def close(self) -> None:
        """End them all."""
        for talk in (*self.heads, *self.bodies):
            talk.sock.close()


@pytest.mark.slow
@pytest.mark.usefixtures("descriptors")
def test_5000_slow_clients_cost_the_others_no_request_and_are_told_408(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    origin = scene.origin("v1")
    proxy: Headgate = scene.headgate({"shop": {"versions": versions(v1=origin.url), "target": "v1"}})
    worker = proxy.workers()[0]
    with Paced(proxy.port, [get()], rate=RATE).running() as outcome:
        until(lambda: len(outcome.answers) >= RATE, 20, "good traffic before")
        before = resident_kib(worker)
        slow = Slow(proxy.port)
        try:
            grown = resident_kib(worker) - before
            until(slow.all_ended, 60, lambda: f"{IN_HEAD} answers, but {len(slow.answers)}")
        finally:
            slow.close()

    with capsys.disabled():
        print(
            f"\n    {IN_HEAD + IN_BODY} slow clients: {len(outcome.answers)} good answers beside them, the worker grew by {grown} KiB"
        )
    assert ([], []) == (outcome.failures, outcome.bad)
    assert {b"HTTP/1.1 408"} == set(slow.answers.values())
    assert grown < (IN_HEAD + IN_BODY) * KIB_EACH_MAX
