"""A listener of one worker: what is the same for all its connections, and how they come in.

A plain listener leaves accepting to the loop. With TLS or the PROXY protocol a connection has to prove itself first, so it is accepted
here: header, handshake, and only then a ``Downstream``. All of that is bounded in time and number, and what is refused is counted.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from proxy import limits
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.forwarding import Networks, Peer, inside
from proxy.dataplane.tls import ServerTls, TlsBroken, subject
from proxy.errors import PlanRefused
from proxy.model.intent import Listener
from proxy.telemetry.snapshot import ListenerState
from proxy.wire import proxy_protocol as pp
from proxy.wire.request import Request

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Door:
    """One listener. ``special`` says whether a request's head needs a look here before it is served."""

    def __init__(self, listener: Listener, networks: Networks = (), tls: ServerTls | None = None) -> None:
        self.name = listener.name
        self.connections = 0
        self.refused = 0
        self.unproven = 0
        self.set(listener, networks, tls)

    def set(self, listener: Listener, networks: Networks, tls: ServerTls | None) -> None:
        """Take what a new plan says; connections keep their door."""
        self.networks = networks
        self.tls = tls
        self.min_body_rate = listener.min_body_rate
        self.proxy_protocol = listener.proxy_protocol
        self.redirects = listener.redirect_to_https
        self.connections_max = listener.max_connections or limits.CONNECTIONS_PER_LISTENER_MAX
        self.special = self.redirects or tls is not None
        self.proves = listener.proxy_protocol or tls is not None

    @property
    def full(self) -> bool:
        """Whether no connection more may come in."""
        return self.connections >= self.connections_max

    def meet(self, transport: asyncio.BaseTransport, source: str | None, pseudonym: bytes) -> tuple[Peer, Any]:
        """Who has come in, and the TLS object of the connection if it has one. ``source`` is what a PROXY header said."""
        address = source
        if address is None:
            name = transport.get_extra_info("peername")
            address = name[0] if isinstance(name, tuple) else ""
        if self.tls is None:
            return Peer(address, self.networks, pseudonym), None
        secure = transport.get_extra_info("ssl_object")
        certificate = subject(secure) if self.tls.plan.client_mode else b""
        return Peer(address, self.networks, pseudonym, scheme=b"https", certificate=certificate), secure

    def answer(self, request: Request, peer: Peer, secure: Any) -> tuple[int, str, bytes] | None:
        """The answer that the listener itself has to a request, as arguments of ``Downstream.reply``; None when it is to be served.

        With TLS, a host that no certificate names and that was not asked for in the handshake is 421 (RFC 9110 section 15.5.20).
        """
        if self.redirects:
            if peer.trusted and request.forwarded_proto.lower() == b"https":
                return None  # a proxy in front has taken the TLS off
            if not request.host:
                return 400, "Host is missing", b""
            return 308, "", b"Location: https://" + request.host + request.start.line.split(b" ")[1]
        asked = getattr(secure, "asked_name", None)
        if asked is None or self.tls is None or request.host == asked.encode("latin-1", "replace") or self.tls.covers(request.host):
            return None
        return 421, "", b""

    def state(self) -> ListenerState:
        """Levels now, and counts since the last call."""
        tls = self.tls
        state = ListenerState(
            name=self.name,
            connections=self.connections,
            refused=self.refused,
            unproven=self.unproven,
            tls_error=tls.error if tls is not None else "",
            tls_expires_s=tls.expires_s if tls is not None else 0.0,
        )
        self.refused = self.unproven = 0
        return state


Compiled = dict[str, tuple[Listener, Networks, ServerTls | None]]
"""What a plan says of each listener, by name."""


class Doors(dict[str, Door]):
    """All listeners of a worker, by name. A door outlives plans, as its connections do."""

    def compile(self, listeners: Iterable[Listener]) -> Compiled:
        """Everything that can be wrong with them, found before anything changes. Raises PlanRefused."""
        compiled: Compiled = {}
        for listener in listeners:
            try:
                networks = tuple(ip_network(cidr, strict=False) for cidr in listener.trusted_proxies)
                compiled[listener.name] = listener, networks, self._tls(listener)
            except ValueError as error:
                raise PlanRefused(f"trusted_proxies: {error}") from None
            except TlsBroken as error:
                raise PlanRefused(f"listener {listener.name}: {error}") from None
        return compiled

    def _tls(self, listener: Listener) -> ServerTls | None:
        if listener.tls is None:
            return None
        door = self.get(listener.name)
        if door is not None and door.tls is not None and door.tls.plan == listener.tls:
            return door.tls
        return ServerTls(listener.tls)

    def take(self, compiled: Compiled) -> None:
        """Serve what was compiled."""
        for name, settings in compiled.items():
            if name in self:
                self[name].set(*settings)
            else:
                self[name] = Door(*settings)

    def refresh(self) -> None:
        """Look whether files of certificates have changed."""
        for door in self.values():
            if door.tls is not None:
                door.tls.refresh()


class Acceptor:
    """Accepts for a door whose connections have to prove themselves."""

    def __init__(self, plane: DataPlane, door: Door, sock: socket.socket) -> None:
        self._plane = plane
        self._door = door
        self._sock = sock
        self._open = True
        plane.loop.add_reader(sock, self._ready)

    def close(self) -> None:
        """Accept no more."""
        if self._open:
            self._open = False
            self._plane.loop.remove_reader(self._sock)
            self._sock.close()

    def _ready(self) -> None:
        for _ in range(limits.ACCEPTS_PER_TURN):
            try:
                conn, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors: others have to go first
                self._plane.loop.remove_reader(self._sock)
                self._plane.loop.call_later(limits.ACCEPT_PAUSE_S, self._resume)
                return
            if self._door.full:
                self._door.refused += 1
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                conn.close()
                continue
            conn.setblocking(False)
            self._door.connections += 1
            self._plane.tasks.spawn(self._admit(conn, address), name=f"a connection of {self._door.name}")

    def _resume(self) -> None:
        if self._open:
            self._plane.loop.add_reader(self._sock, self._ready)

    async def _admit(self, conn: socket.socket, address: Any) -> None:
        door = self._door
        try:
            async with asyncio.timeout(limits.HANDSHAKE_TIMEOUT_S):
                source = None
                if door.proxy_protocol:
                    source = await self._source(conn, address)
                if conn.family != socket.AF_UNIX:
                    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                tls: dict[str, Any] = {}
                if door.tls is not None:
                    tls = {"ssl": door.tls.context, "ssl_shutdown_timeout": limits.TLS_SHUTDOWN_S}
                await self._plane.loop.connect_accepted_socket(lambda: Downstream(self._plane, door, source), conn, **tls)
        except (OSError, pp.BadProxyHeader):  # ssl.SSLError and TimeoutError are OSErrors
            door.unproven += 1
            conn.close()
        except asyncio.CancelledError:
            conn.close()
            raise
        finally:
            door.connections -= 1  # from here on its Downstream counts

    async def _source(self, conn: socket.socket, address: Any) -> str | None:
        """Whom the proxy in front speaks for; None when for itself. Not a byte beyond the header is taken from the socket."""
        peer = address[0] if isinstance(address, tuple) else ""
        if peer and not inside(peer, self._door.networks):
            raise pp.BadProxyHeader("the peer is not one of trusted_proxies")
        first = await self._exactly(conn, pp.FIRST_BYTES)
        if first == pp.SIGNATURE:
            head = first + await self._exactly(conn, pp.V2_REST_BYTES)
            source = pp.read_v2(head, await self._exactly(conn, pp.v2_length(head)))
        else:
            line = bytearray(first)
            while not line.endswith(b"\r\n"):
                if len(line) >= pp.V1_BYTES_MAX or not line.startswith(b"PROXY "):
                    raise pp.BadProxyHeader("malformed version 1 header")
                line += await self._exactly(conn, 1)
            source = pp.read_v1(bytes(line))
        return source.address or None

    async def _exactly(self, conn: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self._plane.loop.sock_recv(conn, count - len(data))
            if not more:
                raise pp.BadProxyHeader("the connection ended in its PROXY header")
            data += more
        return data
