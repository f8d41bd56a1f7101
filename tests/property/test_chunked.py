"""Chunked bodies: however they are cut, whatever they hold, what is framed comes out and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import httptools
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.chunked import BadChunk, ChunkedDecoder, frame, last_chunk

pieces = st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=6)
trailers = st.lists(st.sampled_from([b"X-A: 1", b"X-Checksum:\tabc", b"Server-Timing: a;dur=1"]), max_size=3)
cuts = st.lists(st.integers(0, 400), max_size=12)
scraps = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"0",
        b"5",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b";a=b",
        b" ",
        b"\t",
        b"0x",
        b"+",
        b"-",
        b"_",
        b"A: b\r\n",
        b"\x00",
    ]
)

without_extensions = scraps.filter(lambda scrap: b";" not in scrap)  # where llhttp is stricter than we, and we drop them unread


def feed(data: bytes, at: Sequence[int]) -> tuple[bytes, int, bool, list[bytes]] | None:
    """Body, bytes taken, whether it is whole, trailers; None when it was refused. ``at`` are offsets to cut at."""
    decoder = ChunkedDecoder()
    edges = sorted({0, len(data), *(cut for cut in at if cut < len(data))})
    body, taken = b"", 0
    try:
        for start, stop in itertools.pairwise(edges):
            out, used = decoder.feed(data[start:stop])
            body += b"".join(out)
            taken += used
    except BadChunk:
        return None
    return body, taken, decoder.done, decoder.trailers


@given(pieces, trailers, st.binary(max_size=20), cuts)
def test_what_is_framed_is_decoded_however_it_is_cut(chunks: list[list[bytes]], lines: list[bytes], rest: bytes, at: list[int]) -> None:
    message = b"".join(part for chunk in chunks for part in frame(chunk)) + last_chunk(lines)
    body = b"".join(part for chunk in chunks for part in chunk)

    assert (body, len(message), True, lines) == feed(message + rest, at)


@given(st.lists(scraps, max_size=12).map(b"".join), cuts)
def test_any_bytes_mean_the_same_however_they_are_cut(data: bytes, at: list[int]) -> None:
    """Rule 21: refused or taken, the edges of reads decide nothing."""
    assert feed(data, []) == feed(data, at) == feed(data, range(len(data)))


@given(st.lists(without_extensions, max_size=8).map(b"".join))
def test_a_body_we_take_is_taken_by_llhttp_as_well(scrap: bytes) -> None:
    """Rules 19-22: two readers see the same end, so nothing can hide between them."""
    ours = feed(scrap, [])
    if ours is not None and ours[2]:
        seen: list[bytes] = []

        class Reader:
            def on_body(self, body: bytes) -> None:
                seen.append(body)

            def on_message_complete(self) -> None:
                seen.append(b"<end>")

        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        httptools.HttpRequestParser(Reader()).feed_data(head + scrap[: ours[1]])

        assert ours[0] + b"<end>" == b"".join(seen)
