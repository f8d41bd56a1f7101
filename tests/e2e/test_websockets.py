"""The `websockets` package on both sides of a started proxy: each hears what the other says, whatever changes.

The client is the asyncio one. The package's threaded client reads and writes one OpenSSL object from two threads, which OpenSSL forbids
and Python guards against only since 3.13: over TLS it loses handshakes and corrupts its heap, with any proxy between or none.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.server import ServerConnection, serve

from tests.kit.certificates import Authority
from tests.kit.processes import Headgate, free_ports
from tests.kit.scene import Scene, versions

LARGE_BYTES = 5 * 1024 * 1024
MANY = 20
WITHIN_S = 20.0
NEVER = 1_000_000_000

pytestmark = pytest.mark.asyncio


def obey(connection: ServerConnection) -> None:
    """Answer every message with itself, unless the path asks for something else."""
    assert connection.request is not None
    what, _, argument = connection.request.path.strip("/").partition("/")
    if what == "close":
        connection.close(int(argument), "as asked")
    elif what == "ping":
        connection.send(str(connection.ping().wait(WITHIN_S)))
    elif what == "break":
        connection.socket.close()
    elif what == "headers":
        connection.send(json.dumps(dict(connection.request.headers.raw_items())))
    with suppress(ConnectionClosed):
        for message in connection:
            connection.send(message)


@dataclass
class Stage:
    """A proxy with a listener with TLS and one without."""

    proxy: Headgate
    secure_port: int
    authority: Authority

    def connect(self, path: str = "/", *, secure: bool = False, **options: Any) -> connect:
        """A client through the proxy: to be entered, or awaited."""
        options = {"subprotocols": ["chat.v1"], "max_size": None, "open_timeout": WITHIN_S, "close_timeout": WITHIN_S} | options
        sock = socket.create_connection(("127.0.0.1", self.secure_port if secure else self.proxy.port), WITHIN_S)
        if secure:
            options["ssl"] = self.authority.client()
        return connect(f"{'wss' if secure else 'ws'}://shop.test{path}", sock=sock, **options)


@pytest.fixture(scope="module")
def stage(shared_scene: Scene) -> Iterator[Stage]:
    authority = Authority(shared_scene.directory)
    site = authority.issue("shop.test")
    with serve(obey, "127.0.0.1", 0, max_size=None, subprotocols=["chat.v2", "chat.v1"], close_timeout=WITHIN_S) as server:  # type: ignore[list-item]  # a NewType of str
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        shop = {
            "versions": versions(v1=url, v2=url),
            "target": "v1",
            "rollout": {"steps": [{"weight": 50, "min_requests": NEVER}]},
        }
        proxy = shared_scene.headgate({"shop": shop}, start=False, workers=2)
        secure_port = free_ports(1)[0]
        tls = {"certificates": [{"cert": site.cert, "key": site.key}]}
        proxy.settings["listeners"].append({"name": "secure", "address": f"127.0.0.1:{secure_port}", "tls": tls})
        proxy.write()
        proxy.start()
        yield Stage(proxy, secure_port, authority)
        proxy.end()
        server.shutdown()
        thread.join(WITHIN_S)


async def heard(client: ClientConnection) -> str | bytes:
    """The next message."""
    async with asyncio.timeout(WITHIN_S):
        return await client.recv()


MESSAGES = {
    "empty": "",
    "text": "grüße",
    "bytes": b"\0\xff" * 100,
    "large text": "x" * LARGE_BYTES,
    "large bytes": os.urandom(LARGE_BYTES),
}


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_messages_of_every_kind_come_back_as_they_were(stage: Stage, secure: bool, compression: str | None) -> None:
    async with stage.connect(secure=secure, compression=compression) as client:
        for name, message in MESSAGES.items():
            await client.send(message)
            assert message == await heard(client), name


async def test_a_message_in_fragments_comes_back_whole(stage: Stage) -> None:
    async with stage.connect() as client:
        await client.send(iter(["a" * 1000, "", "b" * 70_000, "c"]))

        assert "a" * 1000 + "b" * 70_000 + "c" == await heard(client)


async def test_compression_is_agreed_on_by_the_two_ends(stage: Stage) -> None:
    async with stage.connect(compression="deflate") as client:
        assert ["permessage-deflate"] == [extension.name for extension in client.protocol.extensions]


async def test_the_subprotocol_is_agreed_on_by_the_two_ends(stage: Stage) -> None:
    async with stage.connect(subprotocols=["chat.v3", "chat.v2"]) as client:
        assert "chat.v2" == client.subprotocol


async def test_the_origin_hears_who_the_client_is(stage: Stage) -> None:
    async with stage.connect("/headers", secure=True, additional_headers={"X-Own": "1"}) as client:
        headers = {name.lower(): value for name, value in json.loads(await heard(client)).items()}

    assert ("127.0.0.1", "https", "1") == (headers["x-forwarded-for"], headers["x-forwarded-proto"], headers["x-own"])


async def test_a_ping_of_the_client_is_answered(stage: Stage) -> None:
    async with stage.connect() as client:
        async with asyncio.timeout(WITHIN_S):
            assert await (await client.ping("are you there")) >= 0


async def test_a_ping_of_the_origin_is_answered(stage: Stage) -> None:
    async with stage.connect("/ping") as client:
        assert "True" == await heard(client)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_the_origin_s_close_code_and_reason_arrive(stage: Stage, code: int) -> None:
    async with stage.connect(f"/close/{code}") as client:
        with pytest.raises(ConnectionClosed) as caught:
            await heard(client)
        assert caught.value.rcvd is not None
        assert (code, "as asked") == (caught.value.rcvd.code, caught.value.rcvd.reason)


async def test_the_client_s_close_is_confirmed_by_the_origin_with_its_code(stage: Stage) -> None:
    async with stage.connect() as client:
        await client.close(4321, "enough")

        assert 4321 == client.close_code


async def test_an_origin_that_breaks_off_is_an_abnormal_close(stage: Stage) -> None:
    async with stage.connect("/break") as client:
        with pytest.raises(ConnectionClosed):
            await heard(client)
        assert 1006 == client.close_code


async def test_a_refusal_of_the_origin_arrives_with_its_status_and_words(stage: Stage) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await stage.connect(subprotocols=None)

    assert (400, True) == (caught.value.response.status_code, b"missing subprotocol" in caught.value.response.body)


async def talk(stage: Stage, number: int) -> list[object]:
    """Fifty messages on a connection of its own."""
    async with stage.connect(secure=number % 2 == 1) as client:
        answers: list[object] = []
        for count in range(50):
            await client.send(f"{number}:{count}")
            answers.append(await heard(client))
        return answers


async def test_twenty_at_once_each_hear_their_own(stage: Stage) -> None:
    answers = await asyncio.gather(*(talk(stage, number) for number in range(MANY)))

    assert [[f"{number}:{count}" for count in range(50)] for number in range(MANY)] == answers


async def test_no_reload_and_no_rollout_touches_a_connection_of_the_stable_version(stage: Stage) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(stage.connect(secure=number % 2 == 1)) for number in range(MANY)]

        async def alive(after: str) -> None:
            for number, client in enumerate(clients):
                await client.send(f"{after} {number}")
                assert f"{after} {number}" == await heard(client)

        await alive("opened")
        stage.proxy.settings["services"]["shop"]["rollout"]["steps"][0]["weight"] = 40
        stage.proxy.write()
        await asyncio.to_thread(stage.proxy.post, "/-/reload")
        await alive("reloaded")
        for verb, body in (("start", {"to": "v2"}), ("pause", {}), ("resume", {}), ("abort", {})):
            await asyncio.to_thread(stage.proxy.say, verb, **body)
            await alive(verb)
