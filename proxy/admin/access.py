"""Who may: the token, requests that a browser was tricked into, and the name that goes into the history.

The token is re-read when its file changes, so it can be rotated without a restart. Without a token (loopback and unix sockets only)
what stands between a web page and the API is that a page can neither forge ``Host`` nor hide ``Origin``. Knows no routes but the
probes', which are open.
"""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from proxy import limits
from proxy.admin.peer import duplicate, peer_user
from proxy.admin.problems import Handler, Problem
from proxy.errors import OperatorError
from proxy.model.intent import Admin

OPEN = frozenset({"/-/healthy", "/-/ready"})
"""Probes have no token."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CLAIMED_CHARS_MAX = 100


class Token:
    """The bearer token in a file. An unreadable or empty file at a later look leaves the last good token in force."""

    def __init__(self, path: Path) -> None:
        """Raises ``OperatorError`` when there is no token in it now."""
        self.name = path.name
        """What the history calls whoever holds it."""
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._token = b""
        self._look()
        if not self._token:
            raise OperatorError(f"admin.token_file: {path} cannot be read or is empty; it must hold the bearer token in one line")

    def matches(self, given: str) -> bool:
        """Compare in constant time."""
        self._look()
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                with self._path.open("rb") as file:
                    token = file.read(limits.TOKEN_BYTES_MAX).strip()
                self._token = token or self._token
                self._stamp = stamp
        except OSError:
            return


class Gate:
    """Decides on every request before its handler, and says afterwards whom the history names."""

    def __init__(self, admin: Admin, token: Token | None) -> None:
        self._admin = admin
        self._token = token
        self._loopback = not admin.unix and is_loopback(admin.host)

    @web.middleware
    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        if request.path not in OPEN:
            self._check_token(request)
            if request.method not in _SAFE or request.path.startswith("/api/"):
                self._check_host(request)
            if request.method not in _SAFE:
                check_origin(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), request.headers.get("Host", ""))
        return await handler(request)

    def _check_token(self, request: web.Request) -> None:
        if self._token is None:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._token.matches(given.strip()):
            raise Problem(401, "a bearer token is needed: Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"})

    def _check_host(self, request: web.Request) -> None:
        """A page whose name was made to point at this machine (DNS rebinding) still sends its own name."""
        if not self._loopback or self._token is not None:
            return
        name = host_name(request.headers.get("Host", ""))
        if name not in ("localhost", self._admin.host) and not is_loopback(name):
            raise Problem(403, f"Host {name!r} is not this admin address; use localhost or {self._admin.host}")

    def who(self, request: web.Request) -> str:
        """Whom the history names: the unix user, or the token (by its file's name); and whom the client claims to be.

        Over TCP it is the token that may, so it is named, not the user. ``local`` came from this machine, and the kernel knows no more.
        """
        if self._token is not None and not self._admin.unix:
            who = f"token {self._token.name}"
        else:
            who = _peer(request) or ("user unknown" if self._admin.unix else "local")
        claimed = "".join(c for c in request.headers.get("X-Headgate-User", "") if c.isprintable())[:_CLAIMED_CHARS_MAX].strip()
        return f"{who} (claimed: {claimed})" if claimed and who != f"user {claimed}" else who


def check_origin(origin: str | None, fetch_site: str | None, host: str) -> None:
    """A browser says where a request comes from; only our own pages may write. Other clients send neither. Raises ``Problem``."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        raise Problem(403, "a page of another site may not write here (Sec-Fetch-Site)")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise Problem(403, "a page of another site may not write here (Origin)")


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Whether that address, or ``localhost``, is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _peer(request: web.Request) -> str:
    transport = request.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return ""
    with duplicate(sock.fileno()) as own:
        return peer_user(own)
