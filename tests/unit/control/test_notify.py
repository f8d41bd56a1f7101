"""Targets are told in order, within bounds and again after a failure; and a dead one costs nobody but itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from proxy import limits
from proxy.clock import ManualClock
from proxy.control.calling import Answer
from proxy.control.messages import Told, signature
from proxy.control.notify import Notifier
from proxy.model.intent import Notification
from proxy.model.position import Phase, Position, Record
from proxy.tasks import TaskGroup
from tests.kit.outside import Pauses, PretendedClient, turns

pytestmark = pytest.mark.asyncio

URL = "http://ops/hook"
OPS = Notification("ops", URL, timeout_s=3.0)
POSITION = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=3)


def told(number: int = 1, kind: str = "step") -> Told:
    return Told("shop", number, 1_700_000_000.0, Record(kind, f"because {number}"), POSITION)


class Bench:
    """A notifier, and what people were told."""

    def __init__(self) -> None:
        self.clock = ManualClock(wall=1_700_000_000.9)
        self.pauses = Pauses(self.clock)
        self.client = PretendedClient()
        self.said: list[str] = []
        self.failures: list[BaseException] = []
        self.tasks = TaskGroup(lambda name, error: self.failures.append(error))
        ids = iter(range(1, 100_000))
        self.notifier = Notifier(
            self.client,
            self.tasks,
            self.clock,
            lambda kind, service, text: self.said.append(text),
            sleep=self.pauses.sleep,
            new_id=lambda: f"id-{next(ids)}",
        )

    def revisions(self, url: str = URL) -> list[int]:
        """Of the calls made to a target."""
        return [call.json["revision"] for call in self.client.calls if call.url == url]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.tasks.close()
    assert [] == made.failures


async def test_without_targets_nothing_is_started(bench: Bench) -> None:
    bench.notifier.tell(told())

    assert (0, {}) == (len(bench.tasks), bench.notifier.counts)


async def test_records_are_told_in_their_order(bench: Bench) -> None:
    bench.notifier.configure([OPS])
    for number in (1, 2, 3):
        bench.notifier.tell(told(number))
    await turns()

    assert ([1, 2, 3], {"ops": {"sent": 3, "failed": 0, "dropped": 0}}) == (bench.revisions(), bench.notifier.counts)


async def test_only_the_kinds_that_are_wanted_are_told(bench: Bench) -> None:
    bench.notifier.configure([replace(OPS, on=("rolled_back", "promoted"))])
    for number, kind in enumerate(("started", "rolled_back", "step", "promoted")):
        bench.notifier.tell(told(number, kind))
    await turns()

    assert [1, 3] == bench.revisions()


async def test_a_message_has_an_id_and_a_time_and_waits_as_long_as_allowed(bench: Bench) -> None:
    bench.notifier.configure([OPS])
    bench.notifier.tell(told())
    await turns()
    call = bench.client.calls[0]

    assert ("POST", 3.0, {"Content-Type": "application/json", "X-Headgate-Delivery": "id-1", "X-Headgate-Timestamp": "1700000000"}) == (
        call.method,
        call.timeout_s,
        call.headers,
    )


async def test_a_message_is_signed_with_the_secret_in_the_file(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    bench.notifier.configure([replace(OPS, secret_file=str(tmp_path / "secret"))])
    bench.notifier.tell(told())
    await bench.notifier.finish(10)
    call = bench.client.calls[0]

    assert signature(b"s3cret", "1700000000", call.body) == call.headers["X-Headgate-Signature"]


async def test_without_its_secret_nothing_is_sent_unsigned(bench: Bench, tmp_path: Path) -> None:
    bench.notifier.configure([replace(OPS, secret_file=str(tmp_path / "secret"))])
    bench.notifier.tell(told())
    while not bench.said:
        await bench.pauses.after(60)

    assert [] == bench.client.calls
    assert [
        "notification ops was not called, for secret cannot be read (No such file or directory); tried 5 times and given up"
    ] == bench.said


async def test_slack_gets_its_text_and_no_headers_of_ours(bench: Bench) -> None:
    bench.notifier.configure([replace(OPS, form="slack")])
    bench.notifier.tell(told())
    await turns()
    call = bench.client.calls[0]

    assert ({"text": "*shop*: step. because 1"}, {"Content-Type": "application/json"}) == (call.json, call.headers)


async def test_a_failed_delivery_is_tried_again_under_its_id_with_a_new_time(bench: Bench) -> None:
    bench.client.answers[URL] = [Answer(500), "refused the connection", Answer(200)]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told())
    await bench.pauses.after(10)
    headers = [(call.headers["X-Headgate-Delivery"], call.headers["X-Headgate-Timestamp"]) for call in bench.client.calls]

    assert [("id-1", "1700000000"), ("id-1", "1700000001"), ("id-1", "1700000003")] == headers
    assert {"sent": 1, "failed": 0, "dropped": 0} == bench.notifier.counts["ops"]


async def test_a_delivery_is_given_up_after_the_last_try_and_the_next_one_is_made(bench: Bench) -> None:
    bench.client.answers[URL] = [*([Answer(500)] * limits.NOTIFICATION_TRIES_MAX), Answer(200)]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told(1))
    bench.notifier.tell(told(2))
    await bench.pauses.after(60)

    assert [1, 1, 1, 1, 1, 2] == bench.revisions()
    assert {"sent": 1, "failed": 1, "dropped": 0} == bench.notifier.counts["ops"]


async def test_a_target_that_fails_is_told_of_once_and_again_when_it_is_back(bench: Bench) -> None:
    bench.client.answers[URL] = [*([Answer(500)] * 3 * limits.NOTIFICATION_TRIES_MAX), Answer(200)]
    bench.notifier.configure([OPS])
    for number in range(5):
        bench.notifier.tell(told(number))
    await bench.pauses.after(600)

    assert ["notification ops answered 500; tried 5 times and given up", "notification ops takes them again"] == bench.said


async def test_a_full_queue_drops_the_oldest_and_counts_it(bench: Bench) -> None:
    bench.client.answers[URL] = [None, Answer(200)]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told(0))
    await turns()
    for number in range(1, limits.NOTIFICATIONS_WAITING_MAX + 4):
        bench.notifier.tell(told(number))

    assert {"sent": 0, "failed": 0, "dropped": 3} == bench.notifier.counts["ops"]


async def test_a_target_that_hangs_does_not_keep_the_others_waiting(bench: Bench) -> None:
    bench.client.answers[URL] = [None]
    bench.notifier.configure([OPS, Notification("chat", "http://chat/hook")])
    bench.notifier.tell(told())
    await turns()

    assert ([1], 1) == (bench.revisions("http://chat/hook"), bench.client.hanging)


async def test_a_target_that_leaves_the_configuration_is_told_no_more(bench: Bench) -> None:
    bench.client.answers[URL] = [None]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told())
    await turns()
    bench.notifier.configure([])
    await turns()

    assert (0, 0, {}) == (bench.client.hanging, len(bench.tasks), bench.notifier.counts)


async def test_what_waits_is_sent_to_where_a_reload_has_moved_the_target(bench: Bench) -> None:
    bench.client.answers[URL] = [Answer(500)]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told())
    await turns()
    bench.notifier.configure([replace(OPS, url="http://new/hook")])
    await bench.pauses.after(5)

    assert ([1], 1) == (bench.revisions("http://new/hook"), bench.notifier.counts["ops"]["sent"])


async def test_at_the_end_what_waits_is_sent_first(bench: Bench) -> None:
    bench.notifier.configure([OPS])
    for number in range(3):
        bench.notifier.tell(told(number))
    await bench.notifier.finish(10)

    assert [0, 1, 2] == bench.revisions()


async def test_at_the_end_a_target_that_hangs_is_not_waited_for_longer_than_allowed(bench: Bench) -> None:
    bench.client.answers[URL] = [None]
    bench.notifier.configure([OPS])
    bench.notifier.tell(told())
    await bench.notifier.finish(0.01)

    assert 1 == bench.client.hanging
