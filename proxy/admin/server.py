"""Where the admin API listens: TCP or a unix socket, in the supervisor's loop. Knows addresses; the routes are ``app``'s."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from proxy.admin.access import Gate, Token
from proxy.admin.app import build
from proxy.control.loop import Control
from proxy.errors import OperatorError

_SHUTDOWN_S = 1.0
"""How long a request that is being answered may hold up the end."""


class AdminServer:
    """The admin API of one supervisor."""

    def __init__(self, control: Control) -> None:
        """Raises ``OperatorError`` when the token file holds none."""
        self._admin = control.intent.admin
        token = Token(Path(self._admin.token_file)) if self._admin.token_file else None
        app = build(control, Gate(self._admin, token))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        self._made: tuple[str, int] | None = None

    async def start(self) -> str:
        """Listen; returns the URL. Raises ``OperatorError`` naming the address when it cannot be had."""
        await self._runner.setup()
        admin = self._admin
        try:
            if admin.unix:
                sock = self._bind_unix(admin.unix)
                await web.SockSite(self._runner, sock).start()
                return f"unix:{admin.unix}"
            site = web.TCPSite(self._runner, admin.host, admin.port, reuse_address=True)
            await site.start()
        except OSError as error:
            where = f"unix:{admin.unix}" if admin.unix else f"{admin.host}:{admin.port}"
            raise OperatorError(
                f"admin.address: {where} cannot be bound: {error.strerror or error}; stop what listens there or change admin.address"
            ) from None
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and end every request."""
        await self._runner.cleanup()
        if self._made is not None:
            path, inode = self._made
            with suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)

    def _bind_unix(self, path: str) -> socket.socket:
        """The socket is its owner's and group's; whoever may connect may operate."""
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.stat(path).st_mode) or _answers(path):
                raise FileExistsError(17, "something is there already")
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
        os.chmod(path, 0o660)
        self._made = (path, os.stat(path).st_ino)
        return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
