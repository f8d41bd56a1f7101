"""What is fuzzed: each takes any bytes and raises only where the proxy breaks a promise. Knows nothing of the fuzzer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import httptools

from proxy.errors import DownstreamError, UpstreamError
from proxy.wire import gate, proxy_protocol, request, response, target
from proxy.wire.chunked import BadChunk, ChunkedDecoder
from proxy.wire.headers import BadLine
from tests.kit.storm import STEPS, Step, Storm
from tests.kit.strict_reader import Incomplete, next_request, read_responses

_LOOP = asyncio.new_event_loop()


def requests(data: bytes) -> None:
    """A head we take is one that llhttp takes, and a strict reader finds a body behind it where we do."""
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
    assert (found.length != 0) == _wants_more(lambda: next_request(head)), f"a body of {found.length}"


def responses(data: bytes) -> None:
    """The same for a final answer to a GET."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    if head.find(b"\r\n\r\n") != len(head) - 4:
        return
    try:
        found = response.parse(head, response.new_table(), response.Statuses(), head_request=False)
    except (UpstreamError, BadLine):
        return
    if found.status >= 200 and found.status != 205:  # of which we say more than was said
        reader = httptools.HttpResponseParser(object())
        with contextlib.suppress(httptools.HttpParserUpgrade):
            reader.feed_data(head)
        assert found.status == reader.get_status_code(), f"status {found.status}"
        assert (found.length != 0) == _wants_more(lambda: read_responses(head, ["GET"], ended=False)), f"a body of {found.length}"


def _wants_more(read: Callable[[], object]) -> bool:
    """Whether a strict reader waits for a body; it raises where it would not have taken the head."""
    try:
        read()
    except Incomplete:
        return True
    return False


def _chunks(pieces: list[bytes]) -> tuple[bytes, bool] | None:
    decoder, body = ChunkedDecoder(), b""
    try:
        for piece in pieces:
            body += b"".join(decoder.feed(piece)[0])
    except BadChunk:
        return None
    return body, decoder.done


def chunks(data: bytes) -> None:
    """Cut or whole, the same comes out, and it is what a strict reader (which takes no extensions) reads."""
    found = _chunks([data])
    assert found == _chunks([data[at : at + 1] for at in range(len(data))]), "the edges of reads decide"
    if found is not None and found[1] and b";" not in data:
        assert found[0] == next_request(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + data)[0].body, "another body"


def paths(data: bytes) -> None:
    """Normalising twice is normalising once."""
    try:
        once = target.normalise(b"/" + data)
    except DownstreamError:
        return
    assert once == target.normalise(once), "not yet normal"


def proxy_headers(data: bytes) -> None:
    """Refused, or the address and port that the system's own functions read there."""
    with contextlib.suppress(proxy_protocol.BadProxyHeader):
        source = proxy_protocol.read_v1(data)
        if source.address:
            words = data.split()
            assert _packed(source.address) == _packed(words[2].decode()), f"{source} of {words}"
            assert (source.port, 6) == (int(words[4]), len(words)), f"{source} of {words}"
    with contextlib.suppress(proxy_protocol.BadProxyHeader):
        if len(data) >= 16:
            body = data[16 : 16 + proxy_protocol.v2_length(data[:16])]
            source = proxy_protocol.read_v2(data[:16], body)
            if source.address:
                size = len(_packed(source.address))
                assert _packed(source.address) == body[:size], f"{source} of {body!r}"
                assert source.port.to_bytes(2, "big") == body[2 * size : 2 * size + 2], f"{source} of {body!r}"


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


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
