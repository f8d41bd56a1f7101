"""The listening addresses, bound once and kept for the life of the supervisor: one SO_REUSEPORT socket a worker slot for TCP, one
for all slots for a unix path. A restarted worker inherits its slot's socket, so a crash loses only what was in flight in it.

Sockets are bound here and not listened on: the kernel deals connections to every listening socket of a port, so each starts to listen
when its first worker is able to answer. Knows nothing of workers.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress

from proxy.errors import OperatorError
from proxy.model.intent import Listener
from proxy.supervisor.lock import Claim


def address_of(listener: Listener) -> str:
    """As people write it: ``host:port``, ``[v6]:port`` or ``unix:/path``."""
    if listener.unix:
        return f"unix:{listener.unix}"
    return f"[{listener.host}]:{listener.port}" if ":" in listener.host else f"{listener.host}:{listener.port}"


class Sockets:
    """All listeners' sockets. ``inherited`` tells whether workers of a dead predecessor may still hold the same addresses."""

    def __init__(self, listeners: Sequence[Listener], slots: int, predecessor: Claim | None) -> None:
        """Raises ``OperatorError`` naming the listener and address that cannot be had; then nothing stays open."""
        self._by_name: dict[str, list[socket.socket]] = {}
        self._paths: dict[str, tuple[int, int]] = {}
        self.addresses: dict[str, str] = {}
        """What each listener is reachable at; differs from the configuration when that says port 0."""
        orphans = predecessor is not None and any(is_worker(pid) for pid in predecessor.workers)
        try:
            for listener in listeners:
                if listener.unix:
                    self._by_name[listener.name] = [self._bind_unix(listener, predecessor)] * slots
                    self.addresses[listener.name] = address_of(listener)
                else:
                    sockets = self._bind_tcp(listener, slots, shared=orphans)
                    host, port = sockets[0].getsockname()[:2]
                    self.addresses[listener.name] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        except OSError as error:
            self.close()
            raise OperatorError(_said(listener, error)) from None

    def of_slot(self, slot: int) -> list[tuple[str, socket.socket]]:
        """(listener, socket) pairs that the worker in ``slot`` inherits."""
        return [(name, sockets[slot]) for name, sockets in self._by_name.items()]

    def unix_sockets(self) -> tuple[tuple[str, int, int], ...]:
        """(path, device, inode) of what was made in the file system."""
        return tuple((path, *identity) for path, identity in self._paths.items())

    def close(self) -> None:
        """Close all, and remove the unix paths that are still ours."""
        for sockets in self._by_name.values():
            for sock in sockets:
                sock.close()
        for path, identity in self._paths.items():
            with suppress(OSError):
                if _identity(path) == identity:
                    os.unlink(path)
        self._by_name, self._paths = {}, {}

    def _bind_tcp(self, listener: Listener, slots: int, *, shared: bool) -> list[socket.socket]:
        family, _, _, _, address = socket.getaddrinfo(
            listener.host or None, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if not shared and listener.port:
            # A port that somebody else shares by SO_REUSEPORT would be shared with us too, silently. One bind without it tells.
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        sockets = self._by_name.setdefault(listener.name, [])
        for _ in range(slots):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                # ``[::]`` means both families here, as it does in HAProxy and nginx by default on Linux.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(address)
            sock.setblocking(False)
            address = sock.getsockname()  # port 0: the other slots share the first one's
        return sockets

    def _bind_unix(self, listener: Listener, predecessor: Claim | None) -> socket.socket:
        path = listener.unix
        if _taken(path, predecessor):
            raise FileExistsError(0, "something is there already and is not ours")
        fresh = f"{path}.{os.getpid()}.new"
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._by_name[listener.name] = [sock]
        sock.bind(fresh)
        os.rename(fresh, path)  # over a predecessor's, at once: there is never a moment without a socket at the path
        sock.setblocking(False)
        self._paths[path] = _identity(path)
        return sock


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _taken(path: str, predecessor: Claim | None) -> bool:
    """Whether ``path`` belongs to somebody else: it is no socket, or a socket that answers and is not our predecessor's."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    if predecessor is not None and (path, status.st_dev, status.st_ino) in predecessor.sockets:
        return False
    if not stat.S_ISSOCK(status.st_mode):
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False  # left by a process that is gone
        except OSError:
            return True
    return True


def is_worker(pid: int) -> bool:
    """Whether that process is one of our workers, as far as the system tells (process numbers come again)."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"proxy.supervisor.worker" in file.read(4096)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _said(listener: Listener, error: OSError) -> str:
    where = f"listener {listener.name}: {address_of(listener)} cannot be bound"
    if isinstance(error, socket.gaierror):
        return f"{where}: no such host; give an address of this machine"
    if error.errno == 98 or "in use" in str(error):
        return f"{where}: address already in use; stop what listens there or change listeners.address"
    if isinstance(error, PermissionError):
        return f"{where}: permission denied; ports below 1024 need a privilege, directories the right to write"
    return f"{where}: {error.strerror or error}"
