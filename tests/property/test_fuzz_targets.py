"""Every fuzzed target can fail: with a mistake planted in what it fuzzes, its promise is found broken by one input that shows it.

Each input is one that the target passes without the mistake.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from math import inf

import pytest

from fuzz import targets
from proxy.dataplane import downstream, exchange
from proxy.wire import chunked, gate, headers, proxy_protocol, request, response, target
from tests.kit.storm import ANSWERS, CLOGS, ENDS, SAYS

Patch = pytest.MonkeyPatch
V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n"
V2 = proxy_protocol.SIGNATURE + b"\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x50"


@dataclass(frozen=True)
class Mistake:
    target: str
    plant: Callable[[Patch], None]
    shown_by: bytes


def steps(*said: tuple[int, bytes]) -> bytes:
    """A conversation as its target reads it."""
    return b"".join(bytes((kind, len(data))) + data for kind, data in said)


def takes_a_space_before_the_colon(patch: Patch) -> None:
    strict = headers.split_line
    lenient: Callable[[bytes], tuple[bytes, bytes]] = lambda line: strict(re.sub(rb" +:", b":", line, count=1))  # noqa: E731  # one line
    patch.setattr(headers, "split_line", lenient)
    patch.setattr(gate, "line_passes", lambda _line: True)


def overlooks_chunks_of_requests(patch: Patch) -> None:
    patch.setattr(request, "_check_chunked", lambda _request, _counted: None)


def overlooks_lengths(patch: Patch) -> None:
    patch.setattr(headers, "parse_length", lambda _value: 0)


def overlooks_two_framings_of_answers(patch: Patch) -> None:
    def lenient(response_: response.Response, minor: int, special: list[headers.Field], lines: list[bytes]) -> None:
        with contextlib.suppress(headers.BadLine):
            strict(response_, minor, special, lines)

    strict = response._read_fields
    patch.setattr(response, "_read_fields", lenient)


def forgets_what_was_read_of_a_line(patch: Patch) -> None:
    class Forgetful(chunked.ChunkedDecoder):
        def feed(self, data: bytes) -> tuple[list[bytes], int]:
            found = super().feed(data)
            if self._line == b"1":
                self._line = b""
            return found

    patch.setattr(targets, "ChunkedDecoder", Forgetful)


def reads_sizes_as_decimal(patch: Patch) -> None:
    class Decimal(chunked.ChunkedDecoder):
        def _read_line(self, line: bytes) -> None:
            super()._read_line(line)
            if self._state == chunked._DATA and line.isdigit():
                self._left = int(line)

    patch.setattr(targets, "ChunkedDecoder", Decimal)


def removes_dots_once(patch: Patch) -> None:
    patch.setattr(target, "_remove_dots", lambda path: path.replace(b"/./", b"/", 1))


def unescapes_what_was_unescaped(patch: Patch) -> None:
    patch.setattr(target, "_unescape", lambda match: bytes((int(match[1] or b"41", 16),)))


def takes_the_other_end_for_the_source(patch: Patch) -> None:
    def read(line: bytes) -> proxy_protocol.Source:
        right = strict(line)
        words = line.split()
        return proxy_protocol.Source(str(ip_address(words[3].decode())), right.port) if right.address else right

    strict = proxy_protocol.read_v1
    patch.setattr(proxy_protocol, "read_v1", read)


def reads_the_port_of_the_other_end(patch: Patch) -> None:
    def read(head: bytes, body: bytes) -> proxy_protocol.Source:
        return strict(head, body)._replace(port=int.from_bytes(body[10:12], "big"))

    strict = proxy_protocol.read_v2
    patch.setattr(proxy_protocol, "read_v2", read)


def sends_chunks_without_their_sizes(patch: Patch) -> None:
    patch.setattr(downstream, "frame", lambda pieces: pieces)


def ends_a_cut_answer_cleanly(patch: Patch) -> None:
    patch.setattr(downstream.Downstream, "abort", lambda self: self.transport.close())


def answers_twice(patch: Patch) -> None:
    def twice(self: exchange.Exchange, found: response.Response, data: bytes, end: int) -> None:
        answer(self, found, data, end)
        answer(self, found, data, end)

    answer = exchange.Exchange.answer
    patch.setattr(exchange.Exchange, "answer", twice)


def lets_a_client_wait_for_ever(patch: Patch) -> None:
    def pause(self: downstream.Downstream) -> None:
        strict(self)
        self.deadline = inf

    strict = downstream.Downstream.pause_reading
    patch.setattr(downstream.Downstream, "pause_reading", pause)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
BOTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"

MISTAKES = [
    Mistake("requests", takes_a_space_before_the_colon, b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
    Mistake("requests", overlooks_lengths, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
    Mistake("requests", overlooks_chunks_of_requests, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Mistake("responses", overlooks_two_framings_of_answers, BOTH),
    Mistake("responses", overlooks_lengths, OK),
    Mistake("chunks", forgets_what_was_read_of_a_line, b"1\r\na\r\n0\r\n\r\n"),
    Mistake("chunks", reads_sizes_as_decimal, b"10\r\n0123456789\r\n0\r\n\r\n"),
    Mistake("paths", removes_dots_once, b"././a"),
    Mistake("paths", unescapes_what_was_unescaped, b"%2541"),
    Mistake("proxy_headers", takes_the_other_end_for_the_source, V1),
    Mistake("proxy_headers", reads_the_port_of_the_other_end, V2),
    Mistake("conversation", sends_chunks_without_their_sizes, steps((SAYS, CHUNKS), (ANSWERS, OK))),
    Mistake("conversation", answers_twice, steps((SAYS, GET), (ANSWERS, OK))),
    Mistake("conversation", ends_a_cut_answer_cleanly, steps((SAYS, GET), (ANSWERS, CUT), (ENDS, b""))),
    Mistake("conversation", lets_a_client_wait_for_ever, steps((SAYS, GET), (CLOGS, b"c"), (SAYS, GET))),
]
IDS = [f"{mistake.target} {mistake.plant.__name__}" for mistake in MISTAKES]


@pytest.mark.parametrize("mistake", MISTAKES, ids=IDS)
def test_a_target_passes_what_shows_a_mistake_where_there_is_none(mistake: Mistake) -> None:
    targets.TARGETS[mistake.target](mistake.shown_by)


@pytest.mark.parametrize("mistake", MISTAKES, ids=IDS)
def test_a_target_fails_when_a_mistake_is_made(mistake: Mistake, monkeypatch: Patch) -> None:
    mistake.plant(monkeypatch)

    with pytest.raises(Exception, match=r"."):
        targets.TARGETS[mistake.target](mistake.shown_by)


def test_every_target_is_shown_to_fail() -> None:
    assert {*targets.TARGETS} == {mistake.target for mistake in MISTAKES}
