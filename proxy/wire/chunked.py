"""Chunked bodies (RFC 9112 section 7.1), decoded strictly and framed anew.

Decided (rules 19-22): a size is 1 to 15 hex digits and nothing else; extensions are bounded and dropped; data ends in exactly CRLF;
trailers are bounded, validated and handed over apart. A decoder that refused is finished: its connection must be closed.
"""

from __future__ import annotations

import re

from proxy import limits
from proxy.errors import HeadgateError
from proxy.wire.headers import UNNOMINATABLE, BadLine, split_line

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,%d})(?:;[\t\x20-\x7e\x80-\xff]*)?" % limits.CHUNK_SIZE_DIGITS_MAX)
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,%d})\r\n" % limits.CHUNK_SIZE_DIGITS_MAX)
_LINE_MAX = limits.CHUNK_SIZE_DIGITS_MAX + limits.CHUNK_EXTENSION_BYTES_MAX
_FORBIDDEN_TRAILERS = UNNOMINATABLE | frozenset(
    b"te trailer connection keep-alive proxy-connection upgrade www-authenticate proxy-authenticate proxy-authorization location"
    b" x-headgate-version x-headgate-shadow".split()
)

_SIZE_LINE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)

LAST_CHUNK = b"0\r\n\r\n"


class BadChunk(HeadgateError):
    """The body's chunk framing is broken; where it ends cannot be known."""


class ChunkedDecoder:
    """Decode one body, fed in pieces of any size.

    ``feed`` returns the decoded pieces and how many of the bytes given belong to this body; ``done`` is set once the last trailer's
    empty line was seen. ``trailers`` holds validated lines without the names a trailer must not carry (RFC 9110 section 6.5.1).
    """

    __slots__ = ("_left", "_line", "_state", "_trailer_bytes", "done", "trailers")

    def __init__(self) -> None:
        self._state = _SIZE_LINE
        self._left = 0
        self._line = b""
        self._trailer_bytes = 0
        self.done = False
        self.trailers: list[bytes] = []

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Decode ``data``. Raises BadChunk."""
        pieces: list[bytes] = []
        position = 0
        size = len(data)
        while position < size and self._state != _DONE:
            if self._state == _SIZE_LINE and not self._line:
                position = self._feed_whole(data, position, pieces)
                if position == size:
                    break
            if self._state == _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            else:
                position = self._feed_line(data, position)
        return pieces, position

    @staticmethod
    def _feed_whole(data: bytes, position: int, pieces: list[bytes]) -> int:
        """Take chunks that are there from size to CRLF, without extensions: all but the last of most reads. Bodies of the smallest
        chunks, with which a sender makes its reader work hardest, take a quarter of the time so."""
        while (found := _PLAIN_SIZE.match(data, position)) is not None:
            start = found.end()
            stop = start + int(found[1], 16)
            if stop == start or data[stop : stop + 2] != b"\r\n":
                break
            pieces.append(data[start:stop])
            position = stop + 2
        return position

    def _feed_line(self, data: bytes, position: int) -> int:
        """Take one line, or what there is of it; returns the new position."""
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        self._line += data[position:stop]
        bound = {_SIZE_LINE: _LINE_MAX, _DATA_END: 2, _TRAILER: limits.TRAILER_BYTES_MAX}[self._state]
        if len(self._line) > bound + 2:
            raise BadChunk("chunk framing line is too long")
        if self._state == _DATA_END and not b"\r\n".startswith(self._line):
            raise BadChunk("chunk data is not followed by CRLF")
        if end < 0:
            return stop
        line, self._line = self._line, b""
        if line[-2:] != b"\r\n":
            raise BadChunk("bare LF in chunk framing")
        self._read_line(line[:-2])
        return stop

    def _read_line(self, line: bytes) -> None:
        if self._state == _DATA_END:
            self._state = _SIZE_LINE
        elif self._state == _SIZE_LINE:
            match = _SIZE.fullmatch(line)
            if match is None:
                raise BadChunk("malformed chunk size")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILER
        elif line:
            self._read_trailer(line)
        else:
            self._state = _DONE
            self.done = True

    def _read_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > limits.TRAILER_BYTES_MAX:
            raise BadChunk(f"trailers are over {limits.TRAILER_BYTES_MAX} bytes")
        try:
            name, _ = split_line(line)
        except BadLine as error:
            raise BadChunk(f"trailer: {error.reason}") from None
        if name not in _FORBIDDEN_TRAILERS and not name.startswith(b"content-") and b"_" not in name:
            self.trailers.append(line)


def frame(pieces: list[bytes]) -> list[bytes]:
    """One chunk that holds all ``pieces``; nothing when they are empty, for an empty chunk would end the body."""
    size = sum(map(len, pieces))
    return [b"%x\r\n" % size, *pieces, b"\r\n"] if size else []


def last_chunk(trailers: list[bytes]) -> bytes:
    """The end of a body, with its trailers."""
    return b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n" if trailers else LAST_CHUNK
