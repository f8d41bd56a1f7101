"""One blocking socket, for saying exactly what no client would, or for not reading."""

from __future__ import annotations

import socket
from contextlib import suppress


class Raw:
    """One blocking socket, for saying exactly what no client would."""

    def __init__(self, port: int, *, timeout_s: float = 15.0, buffer_bytes: int = 0) -> None:
        """``buffer_bytes``: a small receive buffer, so that not reading is noticed soon."""
        self.sock = socket.socket()
        if buffer_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.sock.settimeout(timeout_s)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def says(self, data: bytes) -> Raw:
        """Send all of it; a peer that has had enough is no failure."""
        with suppress(ConnectionError):
            self.sock.sendall(data)
        return self

    def hears(self) -> bytes:
        """Everything until the peer ends."""
        heard = b""
        with suppress(ConnectionError):
            while piece := self.sock.recv(65536):
                heard += piece
        return heard

    def hears_until(self, mark: bytes) -> bytes:
        """Everything up to and including ``mark``, or the end."""
        heard = b""
        while mark not in heard and (piece := self.sock.recv(65536)):
            heard += piece
        return heard
