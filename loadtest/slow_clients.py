"""Clients that never finish a head: each adds a byte every few seconds, and begins anew when it is ended.

Run as a program with a port and a number of clients; says ``held`` once all are connected, and goes on until ended.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
import time

BEGIN = b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Slow: "
PAUSE_S = 3.0
SPARE = 100  # descriptors of the process itself


def connect(port: int) -> socket.socket:
    """One client, in the middle of its head."""
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.sendall(BEGIN)
    sock.setblocking(False)
    return sock


def main(port: int, number: int) -> None:
    """A byte of each at even distances, round after round."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, number + SPARE), hard))
    clients = []
    for at in range(number):
        if at % 50 == 0:
            time.sleep(0.01)  # within the listener's backlog, or the kernel has them try again a second later
        clients.append(connect(port))
    print("held", flush=True)
    while True:
        for at, sock in enumerate(clients):
            if at % 50 == 0:
                time.sleep(PAUSE_S * 50 / number)
            ended = True
            with contextlib.suppress(OSError):
                sock.send(b"x")
                try:
                    sock.recv(1024)  # an answer, or the end
                except BlockingIOError:
                    ended = False
            if ended:
                sock.close()
                clients[at] = connect(port)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
