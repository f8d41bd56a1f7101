"""Rules 19-22: chunked bodies, decoded strictly."""

from __future__ import annotations

import pytest

from proxy import limits
from proxy.wire.chunked import BadChunk, ChunkedDecoder, frame, last_chunk

BODY = b"5\r\nhello\r\n1;a=b\r\n \r\nA\r\nwide world\r\n00\r\nX-A: 1\r\nx-b:\t2 \r\n\r\n"


def decode(data: bytes) -> bytes:
    """The body of one whole message."""
    decoder = ChunkedDecoder()
    pieces, used = decoder.feed(data)
    assert decoder.done, "the body is not whole"
    assert len(data) == used
    return b"".join(pieces)


def refusal(data: bytes) -> str:
    with pytest.raises(BadChunk) as caught:
        ChunkedDecoder().feed(data)
    return str(caught.value)


def test_a_body_is_decoded() -> None:
    assert b"hello wide world" == decode(BODY)


def test_an_empty_body_is_decoded() -> None:
    assert b"" == decode(b"0\r\n\r\n")


def test_a_body_split_at_every_offset_is_the_same() -> None:
    """Rule 21."""
    for cut in range(len(BODY) + 1):
        decoder = ChunkedDecoder()
        first, used_first = decoder.feed(BODY[:cut])
        second, used_second = decoder.feed(BODY[cut:])

        assert b"hello wide world" == b"".join(first + second), cut
        assert (len(BODY), True) == (used_first + used_second, decoder.done)
        assert [b"X-A: 1", b"x-b:\t2 "] == decoder.trailers


def test_a_body_byte_by_byte_is_the_same() -> None:
    """Rule 21."""
    decoder = ChunkedDecoder()
    pieces = []
    for position in range(len(BODY)):
        assert not decoder.done
        piece, used = decoder.feed(BODY[position : position + 1])
        assert 1 == used
        pieces += piece

    assert (b"hello wide world", True) == (b"".join(pieces), decoder.done)


def test_bytes_behind_the_body_are_not_taken() -> None:
    """Rule 30: they are the next message's."""
    decoder = ChunkedDecoder()

    assert ([b"hello"], 15) == decoder.feed(b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert ([], 0) == decoder.feed(b"GET")


@pytest.mark.parametrize("size", [b"1", b"F", b"f", b"0a", b"0" * (limits.CHUNK_SIZE_DIGITS_MAX - 1) + b"3"])
def test_a_size_is_hex_digits(size: bytes) -> None:
    """Rule 19."""
    width = int(size, 16)

    assert b"x" * width == decode(size + b"\r\n" + b"x" * width + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "size",
    [
        *(
            b"",
            b"0x5",
            b"+5",
            b"-5",
            b" 5",
            b"5 ",
            b"5\t",
            b"5 ;a",
            b"5\t;a",
            b";a",
            b"5_0",
            b"g",
            b"5,5",
            b"5.",
            b"\xd9\xa5",
            b"5\x00",
        ),
        *(b"1" * (limits.CHUNK_SIZE_DIGITS_MAX + 1), b"0" * 16),
    ],
)
def test_a_size_that_is_anything_else_is_refused(size: bytes) -> None:
    """Rule 19: no sign, prefix, blank or separator, and nothing wide enough to overflow."""
    assert "malformed chunk size" == refusal(size + b"\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize("extension", [b";", b";a", b";a=b", b';a="b; c"', b"; a", b";;", b";a\tb"])
def test_an_extension_is_dropped(extension: bytes) -> None:
    """Rule 20."""
    assert b"hello" == decode(b"5" + extension + b"\r\nhello\r\n0" + extension + b"\r\n\r\n")


@pytest.mark.parametrize("octet", [0x00, 0x01, 0x0B, 0x0D, 0x1B, 0x7F])
def test_a_control_in_an_extension_is_refused(octet: int) -> None:
    """Rule 20."""
    assert "malformed chunk size" == refusal(b"5;a" + bytes((octet,)) + b"\r\nhello\r\n")


def test_an_extension_is_bounded() -> None:
    """Rule 20."""
    assert "chunk framing line is too long" == refusal(b"5;" + b"a" * (limits.CHUNK_EXTENSION_BYTES_MAX + 20))


def test_an_extension_without_end_is_refused_as_it_comes() -> None:
    """Rule 20."""
    decoder = ChunkedDecoder()
    decoder.feed(b"5;" + b"a" * (limits.CHUNK_EXTENSION_BYTES_MAX + 15))

    with pytest.raises(BadChunk, match="too long"):
        decoder.feed(b"a")


@pytest.mark.parametrize("data", [b"5\nhello\r\n", b"0\n\r\n", b"0\r\n\n", b"0\r\nX: y\n\r\n"])
def test_a_bare_lf_is_refused(data: bytes) -> None:
    """Rules 7 and 21."""
    assert "bare LF in chunk framing" == refusal(data)


@pytest.mark.parametrize("data", [b"5\r\nhello\n", b"5\r\nhellox", b"5\r\nhello!\r\n", b"5\r\nhello\r\r", b"5\r\nhello0\r\n\r\n"])
def test_chunk_data_ends_in_exactly_crlf(data: bytes) -> None:
    """Rule 21."""
    assert "chunk data is not followed by CRLF" == refusal(data)


def test_a_wrong_end_of_chunk_data_is_refused_at_its_first_byte() -> None:
    """Rule 21: no line need be whole for that."""
    decoder = ChunkedDecoder()
    decoder.feed(b"5\r\nhello\r")

    with pytest.raises(BadChunk):
        decoder.feed(b"x")


def test_trailers_are_bounded_in_all() -> None:
    """Rule 22."""
    line = b"X: " + b"y" * 97 + b"\r\n"

    assert f"trailers are over {limits.TRAILER_BYTES_MAX} bytes" == refusal(b"0\r\n" + line * 82)


def test_one_trailer_is_bounded() -> None:
    """Rule 22."""
    assert "chunk framing line is too long" == refusal(b"0\r\nX: " + b"y" * limits.TRAILER_BYTES_MAX)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" X: y", "folded header line"),
        (b"X : y", "header name is not a token"),
        (b"X", "header line without a colon"),
        (b"X: y\x00", "control character in a header value"),
    ],
)
def test_a_trailer_is_held_to_the_rules_of_a_header(line: bytes, reason: str) -> None:
    """Rules 9-11 and 22."""
    assert f"trailer: {reason}" == refusal(b"0\r\n" + line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "name",
    b"Content-Length Transfer-Encoding Host Authorization Proxy-Authorization Content-Type Content-Location Content-Range Trailer TE"
    b" Connection Keep-Alive Upgrade Set-Cookie Cookie X-Forwarded-For X-Request-Id Cache-Control Location X-Headgate-Version"
    b" X_App".split(),
)
def test_a_trailer_that_frames_routes_or_authenticates_is_dropped(name: bytes) -> None:
    """Rule 22."""
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n" + name + b": 1\r\nX-Checksum: 2\r\n\r\n")

    assert [b"X-Checksum: 2"] == decoder.trailers


def test_pieces_are_framed_as_one_chunk() -> None:
    """Rule 24."""
    assert [b"b\r\n", b"hello ", b"world", b"\r\n"] == frame([b"hello ", b"world"])


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
def test_nothing_is_framed_as_nothing(pieces: list[bytes]) -> None:
    """An empty chunk would end the body."""
    assert [] == frame(pieces)


def test_the_last_chunk_carries_the_trailers() -> None:
    assert b"0\r\n\r\n" == last_chunk([])
    assert b"0\r\nX: y\r\nZ: 1\r\n\r\n" == last_chunk([b"X: y", b"Z: 1"])
