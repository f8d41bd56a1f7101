"""A proxy as one writes it in an afternoon: aiohttp's server and client, on uvloop. ``python aiohttp_proxy.py '{"port": ...}'``.

Straightforward, and not handicapped: bodies are streamed and not gathered, connections to the origins are kept, aiohttp's C parts are
in use, nothing is compressed or logged that the others do not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import sys
import uuid
from typing import Any
from zlib import crc32

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from prometheus_client import Counter, Histogram, start_http_server

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade")
)
LOG = '{"client": "%a", "at": "%t", "request": "%r", "status": %s, "bytes": %b, "seconds": %Tf}'
ANSWERS = Counter("answers", "Answers.", ["version", "code"])
SECONDS = Histogram("seconds", "Time to the whole answer.", ["version"])


class Proxy:
    """The handler of every request."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._origins: list[int] = settings["origins"]
        self._sticky: bool = settings["sticky"]
        self._session: aiohttp.ClientSession | None = None

    async def open(self, _: web.Application) -> None:
        """The client side, once a loop runs."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=300)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self, _: web.Application) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()

    def choose(self, request: web.Request) -> int:
        """The version: by the user's session, or by chance."""
        if self._sticky and (session := request.cookies.get("session")):
            return int(crc32(session.encode()) % 100 < 5)
        return int(random.random() < 0.05)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request."""
        version = self.choose(request)
        if not self._sticky:
            return await self.forward(request, version)
        with SECONDS.labels("ab"[version]).time():
            answer = await self.forward(request, version)
        ANSWERS.labels("ab"[version], str(answer.status)).inc()
        return answer

    async def forward(self, request: web.Request, version: int) -> web.StreamResponse:
        """To that version and back."""
        assert self._session is not None
        url = f"http://127.0.0.1:{self._origins[version]}{request.raw_path}"
        headers = sent_on(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.tunnel(request, url, headers)
        body = request.content if request.can_read_body else None
        async with self._session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as reply:
            answer = web.StreamResponse(status=reply.status, reason=reply.reason, headers=end_to_end(reply.headers))
            await answer.prepare(request)
            async for part in reply.content.iter_any():
                await answer.write(part)
            await answer.write_eof()
            return answer

    async def tunnel(self, request: web.Request, url: str, headers: CIMultiDict[str]) -> web.StreamResponse:
        """A WebSocket, message by message: aiohttp offers no bytes of one."""
        assert self._session is not None
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            del headers[name]
        here = web.WebSocketResponse(compress=False)
        await here.prepare(request)
        async with self._session.ws_connect(url, headers=headers, compress=0) as there, asyncio.TaskGroup() as both:
            both.create_task(copy(here, there))
            both.create_task(copy(there, here))
        return here


async def copy(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse, to: web.WebSocketResponse | aiohttp.ClientWebSocketResponse
) -> None:
    """Until one side ends."""
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await to.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await to.send_str(message.data)
    await to.close()


def end_to_end(headers: Any) -> CIMultiDict[str]:
    """Without what is for one connection only."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def sent_on(request: web.Request) -> CIMultiDict[str]:
    """The request's headers, and those a proxy adds."""
    headers = end_to_end(request.headers)
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    headers["X-Request-Id"] = uuid.uuid4().hex
    headers["Via"] = "1.1 aiohttp"
    return headers


def main(settings: dict[str, Any]) -> None:
    """Serve until TERM."""
    proxy = Proxy(settings)
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{rest:.*}", proxy.handle)
    app.on_startup.append(proxy.open)
    app.on_cleanup.append(proxy.close)
    log = None
    if settings["sticky"]:
        start_http_server(settings["admin_port"], "127.0.0.1")
    if settings["log"]:
        log = logging.getLogger("access")
        log.setLevel(logging.INFO)
        log.propagate = False
        log.addHandler(logging.FileHandler(settings["log"]))
    context = None
    if settings["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["certificate"], settings["key"])
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(
        app,
        host="127.0.0.1",
        port=settings["port"],
        ssl_context=context,
        access_log=log,
        access_log_format=LOG,
        print=lambda *_: None,
        backlog=1024,
        keepalive_timeout=300,
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
