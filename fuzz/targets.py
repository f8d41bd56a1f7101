"""What is fuzzed: each takes any bytes and raises only where the proxy breaks a promise. Knows nothing of the fuzzer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import httptools

from proxy.errors import DownstreamError, UpstreamError
from proxy.wire import gate, proxy_protocol, request, response, target
from proxy.wire.chunked import BadChunk, ChunkedDecoder
from proxy.wire.headers import BadLine
from tests.kit.storm import STEPS, Step, Storm

_LOOP = asyncio.new_event_loop()


def requests(data: bytes) -> None:
    """A head we take is one that llhttp takes."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    gate.line_passes(data)
    if head.find(b"\r\n\r\n") != len(head) - 4:
        return  # not what a connection would hand over: it ends at the first empty line
    try:
        found = request.parse(head, request.Starts(), request.new_table())
    except (DownstreamError, BadLine):
        return
    if found.method != b"CONNECT":
        with contextlib.suppress(httptools.HttpParserUpgrade):
            httptools.HttpRequestParser(object()).feed_data(head)


def responses(data: bytes) -> None:
    """Refused or taken, and nothing else."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with contextlib.suppress(UpstreamError, BadLine):
        response.parse(head, response.new_table(), response.Statuses(), head_request=False)


def _chunks(pieces: list[bytes]) -> tuple[bytes, bool] | None:
    decoder, body = ChunkedDecoder(), b""
    try:
        for piece in pieces:
            body += b"".join(decoder.feed(piece)[0])
    except BadChunk:
        return None
    return body, decoder.done


def chunks(data: bytes) -> None:
    """Cut or whole, the same comes out."""
    assert _chunks([data]) == _chunks([data[at : at + 1] for at in range(len(data))]), "the edges of reads decide"


def paths(data: bytes) -> None:
    """Normalising twice is normalising once."""
    try:
        once = target.normalise(b"/" + data)
    except DownstreamError:
        return
    assert once == target.normalise(once), "not yet normal"


def proxy_headers(data: bytes) -> None:
    """Refused or read."""
    with contextlib.suppress(proxy_protocol.BadProxyHeader):
        proxy_protocol.read_v1(data)
    try:
        if len(data) >= 16:
            proxy_protocol.read_v2(data[:16], data[16 : 16 + proxy_protocol.v2_length(data[:16])])
    except proxy_protocol.BadProxyHeader:
        pass


def conversation(data: bytes) -> None:
    """Steps, each an octet of kind, an octet of length, and its bytes."""
    steps: list[Step] = []
    while len(data) >= 2 and len(steps) < 24:
        steps.append((data[0] % STEPS, data[2 : 2 + data[1]]))
        data = data[2 + data[1] :]
    _LOOP.run_until_complete(Storm().play(steps))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "conversation": conversation,
    "requests": requests,
    "responses": responses,
    "chunks": chunks,
    "paths": paths,
    "proxy_headers": proxy_headers,
}
