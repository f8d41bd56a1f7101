"""The comparer's process: pairs of answers come in by a socket, a byte goes back for each, reports go to the supervisor.

It is a process of its own so that comparing can cost neither a worker nor a decision anything: it is nice, takes at most
``limits.COMPARER_CPU_SHARE`` of a core, and reads no faster than it compares. Losing it loses no request and no decision.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import uvloop

from proxy import limits
from proxy.clock import SystemClock
from proxy.errors import HeadgateError
from proxy.model.pair import Pair
from proxy.shadow import messages
from proxy.shadow.comparer import Comparer
from proxy.supervisor import channel as ch
from proxy.supervisor.worker import ignore_signals
from proxy.tasks import TaskGroup

NICE = 10
"""Behind anything that serves a request, and still before what nobody waits for."""


class Line(asyncio.Protocol):
    """One worker's pairs. Reading rests while ``COMPARER_QUEUE_PAIRS_MAX`` of them wait."""

    def __init__(self, queue: asyncio.Queue[tuple[Line, Pair]]) -> None:
        self._queue = queue
        self._decoder = ch.Decoder(Pair)
        self._transport: Any = None
        self._waiting = 0
        self._rests = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            pairs = self._decoder.feed(data)
        except ch.ChannelBroken:
            self._transport.abort()
            return
        for pair in pairs:
            assert isinstance(pair, Pair)
            self._waiting += 1
            self._queue.put_nowait((self, pair))
        if not self._rests and self._waiting >= limits.COMPARER_QUEUE_PAIRS_MAX:
            self._rests = True
            self._transport.pause_reading()

    def compared(self, match: bool) -> None:
        """The oldest pair that waits is compared."""
        self._waiting -= 1
        if self._transport.is_closing():
            return
        self._transport.write(b"=" if match else b"!")
        if self._rests and self._waiting < limits.COMPARER_QUEUE_PAIRS_MAX:
            self._rests = False
            self._transport.resume_reading()


class Process:
    """The whole of it. ``ended`` is set when the supervisor has gone."""

    def __init__(self, comparer: Comparer, clock: SystemClock) -> None:
        self._comparer = comparer
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Line, Pair]] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.channel = ch.Channel(messages.Down, self._heard, self.ended.set)

    def line(self) -> Line:
        """For a worker that connects."""
        return Line(self._queue)

    def _heard(self, message: object) -> None:
        match message:
            case messages.Compare(services=services):
                self._comparer.use(services, self._clock.wall())
            case messages.Ask(id=number, service=service):
                self.channel.send(messages.Shown(number, self._comparer.report(service)))

    async def work(self) -> None:
        """Compare, at the pace that the share of a core allows."""
        owed_s = 0.0
        while True:
            line, pair = await self._queue.get()
            began = process_time()
            line.compared(self._compare(pair))
            owed_s += (process_time() - began) * (1 / limits.COMPARER_CPU_SHARE - 1)
            await asyncio.sleep(owed_s)  # none is a turn of the loop, in which the channel is heard
            owed_s = 0.0

    def _compare(self, pair: Pair) -> bool:
        try:
            return self._comparer.add(pair)
        except Exception as error:  # answers are anybody's bytes: one that finds a bug must not end comparing for all others
            sys.stderr.write(f"headgate-comparer: {pair.method} of {pair.service} ({pair.route}) could not be compared: {error!r}\n")
            return False

    async def tell(self) -> None:
        """Say how services stand, and keep it."""
        kept_at = self._clock.now()
        while True:
            await asyncio.sleep(limits.COMPARER_TELL_S)
            for summary in self._comparer.summaries():
                self.channel.send(summary)
            if self._clock.now() - kept_at >= limits.COMPARER_KEEP_S:
                kept_at = self._clock.now()
                self._comparer.keep()
                self.channel.send(messages.Unkept(self._comparer.unkept))


async def live(path: Path, channel: socket.socket, file: Path) -> int:
    """Serve until the supervisor ends the channel."""
    failed: list[BaseException] = []

    def broke(name: str, error: BaseException) -> None:
        failed.append(error)
        process.ended.set()

    comparer = Comparer(file)
    process = Process(comparer, SystemClock())
    tasks = TaskGroup(broke)
    loop = asyncio.get_running_loop()
    _remove(path)  # of a comparer that ended without ceremony
    before = os.umask(0o177)
    server = await loop.create_unix_server(process.line, str(path))
    os.umask(before)
    await loop.create_unix_connection(lambda: process.channel, sock=channel)
    tasks.spawn(process.work(), name="work")
    tasks.spawn(process.tell(), name="tell")
    await process.ended.wait()
    server.close()
    await tasks.close()
    comparer.keep()
    if comparer.unkept:  # as a rule nobody is at the channel any more
        sys.stderr.write(f"headgate-comparer: the comparisons could not be kept: {comparer.unkept}\n")
    _remove(path)
    with contextlib.suppress(OSError):  # else it is still the supervisor's, or has been removed by it
        os.rmdir(path.parent)
    if failed:
        raise failed[0]
    return 0


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    """Entry of ``python -m proxy.supervisor.comparer``."""
    ignore_signals()
    os.nice(NICE)
    parser = argparse.ArgumentParser(prog="headgate-comparer")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args(arguments)
    channel = socket.socket(fileno=options.channel)
    channel.setblocking(False)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(live(options.socket, channel, options.file))
    except HeadgateError as error:
        sys.stderr.write(f"headgate-comparer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
