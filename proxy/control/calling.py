"""One call to the outside: a request with a deadline and an answer with a bound. The only user of the HTTP client.

Redirects are not followed, cookies and the environment's proxies not used, and nothing is unpacked: an answer is as big as it looks.
Every call has a connection of its own: none is stale, and one that hangs is in nobody's way. Knows nothing of what is asked, or why.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from proxy import __version__, limits
from proxy.errors import HeadgateError

if TYPE_CHECKING:
    import aiohttp

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class CallFailed(HeadgateError):
    """There was no answer; the text says why in a clause (``refused the connection``) and names no address."""


class Answer(msgspec.Struct, frozen=True):
    """What came back. ``body`` is its start; ``cut`` when there was more than was wanted."""

    status: int
    body: bytes = b""
    cut: bool = False

    @property
    def good(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300


class Client(Protocol):
    """The port that hooks, gates, sources and notifications call through."""

    async def call(
        self, method: str, url: str, *, timeout_s: float, bytes_max: int, headers: Mapping[str, str] = ..., body: bytes = ...
    ) -> Answer:
        """Ask and read at most ``bytes_max`` of the answer, all within ``timeout_s``. Raises ``CallFailed``."""
        ...

    async def close(self) -> None:
        """Let go of everything; calls under way have been cancelled."""
        ...


class WebClient:
    """The ``Client`` of the real world. Its library is imported and set up at the first call."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        bytes_max: int,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
    ) -> Answer:
        """See ``Client``."""
        import aiohttp  # only when something outside is configured

        try:
            async with (
                asyncio.timeout(timeout_s),
                self._open().request(method, url, headers=headers, data=body or None, allow_redirects=False) as response,
            ):
                read = bytearray()
                async for piece in response.content.iter_any():
                    read += piece
                    if len(read) > bytes_max:
                        break
                return Answer(response.status, bytes(read[:bytes_max]), len(read) > bytes_max)
        except TimeoutError:
            raise CallFailed(f"did not answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(why(error)) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),  # whoever calls bounds its calls
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"headgate/{__version__}", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(),  # none but the caller's
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """See ``Client``."""
        if self._session is not None:
            await self._session.close()


def why(error: Exception) -> str:
    """What went wrong, in a clause. Not in the library's words: those name addresses, and of a broken URL the password in it."""
    import aiohttp

    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "has a certificate that is not valid for it"
        case aiohttp.ClientConnectorSSLError():
            return "does not speak TLS as we do"
        case aiohttp.InvalidURL() | ValueError():  # after the certificate's error, which is a ValueError too
            return "cannot be called: its URL is no http:// or https:// one, or has a user in it beside a token file"
        case aiohttp.ClientConnectorError(os_error=socket.gaierror()):
            return "has a host name that is not known"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "refused the connection"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return "broke off its answer"
        case aiohttp.ClientResponseError():
            return "answered in no HTTP that we understand"
        case OSError():
            return f"cannot be reached ({os.strerror(error.errno) if error.errno else type(error).__name__})"
        case _:
            return f"could not be asked ({type(error).__name__})"


def one_line(text: str | bytes, chars_max: int) -> str:
    """The start of what somebody sent, fit for a log and a history: one line, printable, ``chars_max`` long at most."""
    told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = "".join(c if c.isprintable() else " " for c in told[: 4 * chars_max])
    return " ".join(line.split())[:chars_max]


async def secret(path: str) -> bytes:
    """What is in the file of a token or a secret now, without the white space around it. Raises ``CallFailed``."""
    return await asyncio.to_thread(_read_secret, Path(path))


def _read_secret(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe nobody writes to would keep the thread for ever
            raise CallFailed(f"was not called, for {path.name} is no regular file")
        with path.open("rb") as file:
            found = file.read(limits.TOKEN_BYTES_MAX).strip()
    except OSError as error:
        raise CallFailed(f"was not called, for {path.name} cannot be read ({error.strerror})") from None
    if not found:
        raise CallFailed(f"was not called, for {path.name} is empty")
    return found


async def bearer(token_file: str) -> dict[str, str]:
    """The header that a token file asks for; none without one. Read at every call, for it may be renewed. Raises ``CallFailed``."""
    if not token_file:
        return {}
    token = await secret(token_file)
    if not all(0x21 <= byte <= 0x7E for byte in token):
        raise CallFailed(f"was not called, for {Path(token_file).name} holds no token: visible ASCII characters only")
    return {"Authorization": "Bearer " + token.decode("ascii")}
