"""The verb ``demo``: the story from the first process to the last, and a clean end whenever it is asked for.

Signals are only noted and cancel the story's task, so nothing interrupts the cleaning up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

from proxy.cli import INTERRUPTED
from proxy.cli.output import output_option
from proxy.errors import OperatorError

READY_TIMEOUT_S = 15.0
IDLE_RATE = 40.0  # requests a second while the visitor looks around
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """The wish to end, noted by a signal handler; it cancels the task it was given."""

    def __init__(self) -> None:
        self.asked = False
        self._cancel: Any = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self._cancel is not None:
            self._cancel()

    def cancels(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """From now on a signal cancels ``task``; at once when one has come already."""
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.asked:
            task.cancel()


@click.command()
@click.option("--exit/--stay", "leave", default=None, help="End after the story [default: stay on a terminal, not in CI].")
@output_option
def demo(leave: bool | None, output: str) -> int:
    """Two good versions and a bad one behind a real proxy, told as it happens; ends with 0 when it went as promised.

    Starts three small services, the proxy and 200 users on free ports, in a temporary directory; leaves nothing behind.
    """
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    if leave is None:
        leave = not sys.stdin.isatty() or bool(os.environ.get("CI"))
    try:
        return asyncio.run(_play(stop, leave, output))
    except asyncio.CancelledError:
        return INTERRUPTED
    except OSError:
        if not stop.asked:
            raise
        return INTERRUPTED  # the terminal is gone, and with it the right to speak
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _play(stop: Stop, leave: bool, output: str) -> int:
    from proxy.cli.demo.stage import Stage
    from proxy.cli.demo.telling import Telling

    task = asyncio.current_task()
    assert task is not None
    stop.cancels(asyncio.get_running_loop(), task)
    telling = Telling(sys.stdout if output == "text" else sys.stderr)
    with Stage() as stage, contextlib.closing(_Quiet(telling)):
        return await _on(stage, telling, stop, leave, output)


class _Quiet:
    """Closes the changing line before the processes are ended, whatever happened."""

    def __init__(self, telling: Any) -> None:
        self.close = telling.quiet


async def _on(stage: Any, telling: Any, stop: Stop, leave: bool, output: str) -> int:
    """The story on a stage; 0 when it went as promised."""
    from proxy.cli.address import Address, Found
    from proxy.cli.client import AdminClient
    from proxy.cli.demo import story as told
    from proxy.cli.demo.clients import Crowd, Ledger
    from proxy.cli.demo.watcher import Watcher
    from proxy.tasks import TaskGroup

    telling.now("starting three services and the proxy")
    await asyncio.gather(stage.start_origin("v1"), stage.start_origin("v2"), stage.start_origin("v3", bad_after_s=told.V3_GOOD_S))
    stage.start_proxy("v1")
    client = AdminClient(Found(Address(host="127.0.0.1", port=stage.admin, why="the demo")), timeout_s=5.0)
    watcher = Watcher(client, told.SERVICE, stage)
    await watcher.ready(READY_TIMEOUT_S)
    telling.quiet()
    telling.line(f"the proxy is up at http://127.0.0.1:{stage.port}, its admin on port {stage.admin}")
    ledger = Ledger()
    crowd = Crowd(stage.port, told.USERS, told.RATE, ledger)
    story = told.Story(stage, telling, ledger, crowd, watcher)
    failures: list[str] = []
    users = TaskGroup(lambda name, error: failures.append(f"{name}: {error!r}"))
    crowd.start(users)
    try:
        await story.tell()
        telling.summary(story.expectations)
        if failures:
            raise OperatorError(f"the demo's own clients broke: {failures[0]}")
        if output == "json":
            expectations = [{"what": one.what, "held": one.held, "measured": one.figure} for one in story.expectations]
            click.echo(json.dumps({"held": story.held, "expectations": expectations, **story.figures}, indent=2))
        if not leave:
            crowd.rate = IDLE_RATE
            await _stay(stage, telling, stop)
    finally:
        await users.close()
    return 0 if story.held else 1


async def _stay(stage: Any, telling: Any, stop: Stop) -> None:
    """Leave everything running until a signal comes, or a child dies (OperatorError)."""
    admin, config = f"http://127.0.0.1:{stage.admin}", stage.config
    telling.act(f"all of it stays up, at {IDLE_RATE:.0f} requests/s, until Ctrl-C; try in another terminal:")
    telling.block(
        [
            (f"curl -i http://127.0.0.1:{stage.port}/cart", "an answer through the proxy; X-Headgate-Version says whose"),
            (f"headgate status --watch --admin {admin}", "versions, weights, rates"),
            (f"headgate rollout history shop --admin {admin}", "every decision and why"),
            (f"curl -s {admin}/metrics | grep headgate_requests_total", "what Prometheus would scrape"),
            (f"sed -i.bak 's/target: v3/target: v1/' {config}", "a new target in the file: it is read, and a rollout to v1 begins"),
            (f"headgate rollout watch shop --admin {admin}", "until it ends: exit 0 promoted, 1 rolled back"),
        ]
    )
    with contextlib.suppress(asyncio.CancelledError):
        while not stop.asked:
            stage.check()
            await asyncio.sleep(0.5)
