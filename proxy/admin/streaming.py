"""Events as server-sent events (WHATWG HTML, section 9.2): every one that is remembered, then each as it happens.

A reader that comes back says the last id it saw, and misses nothing that is still remembered; what is no longer is told as a gap.
"""

from __future__ import annotations

import asyncio
import json

import msgspec
from aiohttp import web

from proxy import limits
from proxy.admin.problems import Problem
from proxy.control.events import RecentEvent
from proxy.control.loop import Control

READERS = web.AppKey("event readers", list[object])
"""Of an application: the streams that are open."""


async def stream(control: Control, request: web.Request) -> web.StreamResponse:
    """Until the reader leaves or the server ends."""
    readers = request.app[READERS]
    if len(readers) >= limits.EVENT_STREAMS_MAX:
        raise Problem(503, f"{limits.EVENT_STREAMS_MAX} readers of events are all there may be at a time")
    after = _last_seen(request)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    readers.append(response)
    try:
        await response.prepare(request)
        await _send(control, response, after)
    except (ConnectionResetError, asyncio.CancelledError):
        pass  # the reader has left, or the server ends: a stream has no other end
    finally:
        readers.remove(response)
    return response


def _last_seen(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 17):
        raise Problem(400, "Last-Event-ID is the id of an event, a number")
    return int(text)


async def _send(control: Control, response: web.StreamResponse, after: int) -> None:
    clock = control.clock
    spoken_at = clock.now()
    if after > control.events.newest:
        after = 0  # a number of another process's: numbers begin anew with each, and of this one the reader has seen nothing
    while True:
        events = control.events.since(after)
        if events and after and events[0].id > after + 1:
            await response.write(f": {events[0].id - after - 1} events are no longer remembered\n\n".encode())
        for event in events:
            await response.write(written(event))
            after, spoken_at = event.id, clock.now()
        if clock.now() - spoken_at >= limits.EVENT_STREAM_PING_S:
            await response.write(b":\n\n")
            spoken_at = clock.now()
        await asyncio.sleep(limits.EVENT_STREAM_LOOK_S)


def written(event: RecentEvent) -> bytes:
    """One event as it goes over the wire; JSON has no bare line ends, so its data is one line."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(msgspec.to_builtins(event))}\n\n".encode()
