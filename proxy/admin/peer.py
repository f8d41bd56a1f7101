"""Which unix user is at the other end of a connection from this machine, as the kernel knows it. Linux only; else nobody is known.

Facts
-----
A unix socket tells its peer's credentials at connect (``SO_PEERCRED``, unix(7)). Of a TCP connection on this machine the other end is a
socket of this kernel too, and sock_diag(7) tells whose a socket is: one request with the exact addresses and ports, one answer
(``inet_diag_msg``), no right needed, some 50 µs. A peer in another network namespace is not found, and so is nobody.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from contextlib import suppress
from typing import Final

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST: Final = 1  # NLM_F_REQUEST
_ANY: Final = 0xFFFFFFFF
_UID_AT: Final = 16 + 4 + 48 + 12  # nlmsghdr; family, state, timer, retrans; inet_diag_sockid; expires, rqueue, wqueue
_ANSWER_S: Final = 0.1  # the kernel answers in the call; where it does not know the question it may not answer at all


def peer_user(sock: socket.socket) -> str:
    """``user NAME``, or empty when the kernel does not know."""
    uid = _unix_uid(sock) if sock.family == socket.AF_UNIX else _tcp_uid(sock)
    return "" if uid is None else f"user {user_name(uid)}"


def user_name(uid: int) -> str:
    """The name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _unix_uid(sock: socket.socket) -> int | None:
    with suppress(OSError):
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return None


def _tcp_uid(sock: socket.socket) -> int | None:
    with suppress(OSError, struct.error, ValueError):
        theirs, ours = sock.getpeername(), sock.getsockname()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            kernel.settimeout(_ANSWER_S)
            kernel.sendto(question(sock.family, theirs[:2], ours[:2]), (0, 0))
            return uid_in(kernel.recv(4096))
    return None


def question(family: int, theirs: tuple[str, int], ours: tuple[str, int]) -> bytes:
    """Whose the socket is that is bound to ``theirs`` and connected to ``ours``."""
    ports = struct.pack(">HH", theirs[1], ours[1])
    addresses = b"".join(socket.inet_pton(family, address).ljust(16, b"\0") for address in (theirs[0], ours[0]))
    asked = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ANY) + ports + addresses + struct.pack("=III", 0, _ANY, _ANY)
    return struct.pack("=IHHII", 16 + len(asked), _BY_FAMILY, _REQUEST, 1, 0) + asked


def uid_in(answer: bytes) -> int | None:
    """The user of the socket that was found; None of an error, or of anything else."""
    if len(answer) < _UID_AT + 4 or struct.unpack_from("=IH", answer)[1] != _BY_FAMILY:
        return None
    return int(struct.unpack_from("=I", answer, _UID_AT)[0])


def duplicate(descriptor: int) -> socket.socket:
    """A socket of our own on a transport's descriptor: what asyncio hands out answers only some questions. To be closed."""
    return socket.socket(fileno=os.dup(descriptor))
