"""Where the admin API listens: TCP with a free port, a unix socket with its peer's name, and clear errors."""

from __future__ import annotations

import getpass
import os
import socket
import stat
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector

from proxy.admin.server import AdminServer
from proxy.errors import OperatorError
from proxy.model.intent import Admin
from tests.kit.control_bench import bench, intent

pytestmark = pytest.mark.asyncio


async def test_the_url_is_where_it_answers() -> None:
    async with bench(intent(admin=Admin(port=0))) as b:
        server = AdminServer(b.control)
        url = await server.start()
        async with ClientSession() as session, session.get(f"{url}/-/ready") as response:
            status = response.status
        await server.close()

        assert 200 == status


async def test_a_write_over_a_unix_socket_is_its_users(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    async with bench(intent(admin=Admin(unix=path))) as b:
        server = AdminServer(b.control)
        url = await server.start()
        mode = stat.S_IMODE(os.stat(path).st_mode)
        async with (
            ClientSession(connector=UnixConnector(path)) as session,
            session.post("http://any.name/api/v1/services/shop/rollout/start", json={"to": "v2"}) as response,
        ):
            status = response.status
        await server.close()

        assert (f"unix:{path}", 0o660, 200) == (url, mode, status)
        assert f"user {getpass.getuser()}" == b.store.revisions["shop"][-1].by
        assert [] == [entry.name for entry in os.scandir(tmp_path)]


async def test_a_taken_address_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with bench(intent(admin=Admin(port=port))) as b:
            server = AdminServer(b.control)
            with pytest.raises(OperatorError, match=f"admin.address: 127.0.0.1:{port} cannot be bound"):
                await server.start()
            await server.close()


async def test_a_unix_path_in_use_is_refused_and_a_dead_one_is_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    async with bench(intent(admin=Admin(unix=path))) as b:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            server = AdminServer(b.control)
            with pytest.raises(OperatorError, match="something is there already"):
                await server.start()
            await server.close()
        server = AdminServer(b.control)
        url = await server.start()
        await server.close()

        assert f"unix:{path}" == url


async def test_a_token_file_without_a_token_stops_the_start(tmp_path: Path) -> None:
    async with bench(intent(admin=Admin(token_file=str(tmp_path / "none")))) as b:
        with pytest.raises(OperatorError, match=r"admin\.token_file"):
            AdminServer(b.control)
