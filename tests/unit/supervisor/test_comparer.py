"""One worker's pairs at the comparer, read no faster than they are compared; and what it tells the supervisor."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from proxy import limits
from proxy.clock import SystemClock
from proxy.model.pair import Pair, Seen
from proxy.shadow import messages
from proxy.shadow.comparer import Comparer
from proxy.supervisor import channel as ch
from proxy.supervisor.comparer import Line, Process
from proxy.tasks import TaskGroup
from tests.kit.conversation import FakeTransport
from tests.kit.waiting import eventually

PAIR = Pair("shop", "v2", "r", "GET", "/", 1.0, Seen(200), Seen(200))
BODY = msgspec.msgpack.encode(PAIR)
FRAME = len(BODY).to_bytes(4, "big") + BODY

pytestmark = pytest.mark.asyncio


def line() -> tuple[Line, FakeTransport, asyncio.Queue[tuple[Line, Pair]]]:
    queue: asyncio.Queue[tuple[Line, Pair]] = asyncio.Queue()
    made = Line(queue)
    transport = FakeTransport(asyncio.get_running_loop(), made)
    made.connection_made(transport)  # type: ignore[arg-type]  # looks like one
    return made, transport, queue


async def test_pairs_come_in_whatever_pieces() -> None:
    made, _, queue = line()
    for byte in FRAME:
        made.data_received(bytes([byte]))

    assert queue.get_nowait() == (made, PAIR)


async def test_each_pair_is_answered_with_a_byte() -> None:
    made, transport, _ = line()
    made.data_received(FRAME * 2)
    made.compared(True)
    made.compared(False)

    assert bytes(transport.written) == b"=!"


async def test_reading_rests_while_enough_pairs_wait() -> None:
    made, transport, _ = line()
    made.data_received(FRAME * limits.COMPARER_QUEUE_PAIRS_MAX)
    rested = transport.reading
    made.compared(True)

    assert (rested, transport.reading) == (False, True)


async def test_more_pairs_in_one_piece_than_the_queue_is_meant_for_rest_reading_once() -> None:
    made, transport, _ = line()
    made.data_received(FRAME * (limits.COMPARER_QUEUE_PAIRS_MAX + 2))
    for _ in range(2):
        made.compared(True)
    rested = transport.reading
    made.compared(True)

    assert (rested, transport.reading) == (False, True)


async def test_what_is_no_pair_ends_the_line() -> None:
    made, transport, _ = line()
    made.data_received(b"\x00\x00\x00\x01\xc1")

    assert transport.aborted


async def test_a_worker_that_has_gone_is_told_nothing() -> None:
    made, transport, _ = line()
    made.data_received(FRAME)
    transport.closing = True
    made.compared(True)

    assert bytes(transport.written) == b""


async def test_why_the_counts_cannot_be_written_goes_to_the_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMPARER_TELL_S", 0.005)
    monkeypatch.setattr(limits, "COMPARER_KEEP_S", 0.0)
    file = tmp_path / "late" / "f"
    process = Process(Comparer(file), SystemClock())
    transport = FakeTransport(asyncio.get_running_loop(), process.channel)
    process.channel.connection_made(transport)  # type: ignore[arg-type]  # looks like one
    failures: list[BaseException] = []
    tasks = TaskGroup(lambda name, error: failures.append(error))
    tasks.spawn(process.tell(), name="tell")
    await eventually(lambda: transport.written, 20, "it is told")
    file.parent.mkdir()
    await eventually(file.exists, 20, "it is written")
    await tasks.close()
    told = ch.Decoder(messages.Up).feed(bytes(transport.written))

    assert (told[0], told[-1], failures) == (messages.Unkept(f"{file}: No such file or directory"), messages.Unkept(""), [])
