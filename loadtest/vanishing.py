"""Clients that go away at the worst moment: in a head, in a body, before the answer, in the middle of it.

Run as a program with a port; goes on until ended. They wait between turns, for they are to disturb a load and not to be one.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import sys
import time

ABORTS = struct.pack("ii", 1, 0)  # linger of zero seconds: close() resets
PAUSE_S = 0.005
TIMEOUT_S = 5.0

HEAD = b"GET /vanishing/%d HTTP/1.1\r\nHost: shop.example\r\nCookie: user=%d\r\n"
UPLOAD = b"POST /vanishing/%d HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\n"


def words(turn: int) -> tuple[bytes, int]:
    """What the client of this turn says, and how many bytes of an answer it stays for."""
    kind = turn % 6
    head = HEAD % (turn % 50, turn % 997)
    return [
        (b"", 0),
        (head[:20], 0),
        (head + b"\r\n", 0),
        (head + b"\r\n", 1),
        (UPLOAD % (turn % 50) + b"x" * 1000, 0),
        ((head + b"\r\n") * 4, 1),
    ][kind]


def vanish(port: int, turn: int) -> None:
    """One client; every second one resets instead of closing."""
    say, stay = words(turn)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as sock:
        if turn % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS)
        sock.sendall(say)
        if stay:
            sock.recv(stay)


def main(port: int) -> None:
    """A client each pause."""
    for turn in itertools.count():
        with contextlib.suppress(OSError):  # reset by the origin's faults, or by ourselves
            vanish(port, turn)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(int(sys.argv[1]))
