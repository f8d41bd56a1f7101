"""The PROXY protocol, both versions: what is taken, and that nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.proxy_protocol import SIGNATURE, V2_BODY_BYTES_MAX, BadProxyHeader, Source, read_v1, read_v2, v2_length


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", Source("192.0.2.1", 56324)),
        (b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", Source("2001:db8::1", 1)),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n", Source("0.0.0.0", 0)),
        (b"PROXY UNKNOWN\r\n", Source("")),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Source("")),
    ],
)
def test_a_version_1_line_names_the_source(line: bytes, source: Source) -> None:
    assert source == read_v1(line)


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n",
        b"PROXY  TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        b"proxy TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 056324 443\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 443\r\n",
        b"PROXY TCP4 192.0.02.1 192.0.2.2 1 443\r\n",
        b"PROXY TCP4 ::1 ::2 1 443\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n",
        b"PROXY UNKNOWN\x00\r\n",
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_any_other_version_1_line_is_refused(line: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        read_v1(line)


def v2(command: int, family: int, body: bytes) -> tuple[bytes, bytes]:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big"), body


IPV4 = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")
IPV6 = bytes(15) + b"\1" + bytes(15) + b"\2" + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (v2(0x21, 0x11, IPV4), Source("192.0.2.1", 56324)),
        (v2(0x21, 0x11, IPV4 + b"\x04\0\0"), Source("192.0.2.1", 56324)),
        (v2(0x21, 0x21, IPV6), Source("::1", 56324)),
        (v2(0x21, 0x00, b""), Source("")),
        (v2(0x20, 0x11, IPV4), Source("")),
    ],
)
def test_a_version_2_header_names_the_source(header: tuple[bytes, bytes], source: Source) -> None:
    head, body = header

    assert len(body) == v2_length(head)
    assert source == read_v2(head, body)


@pytest.mark.parametrize(
    "header", [v2(0x21, 0x11, IPV4[:-1]), v2(0x21, 0x21, IPV6[:-1]), v2(0x21, 0x31, bytes(216)), v2(0x21, 0x12, IPV4)]
)
def test_a_family_that_is_not_tcp_or_not_whole_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadProxyHeader):
        read_v2(*header)


@pytest.mark.parametrize(
    "head",
    [
        SIGNATURE + b"\x11\x11\0\x0c",
        SIGNATURE + b"\x22\x11\0\x0c",
        SIGNATURE[:-1] + b"x\x21\x11\0\x0c",
        SIGNATURE + b"\x21\x11" + (V2_BODY_BYTES_MAX + 1).to_bytes(2, "big"),
    ],
)
def test_another_version_command_or_length_is_refused(head: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        v2_length(head)


@given(st.binary(max_size=120))
def test_no_bytes_do_anything_but_be_read_or_refused(data: bytes) -> None:
    for read in (lambda: read_v1(data), lambda: v2_length(data.ljust(16, b"\0")), lambda: read_v2(data.ljust(16, b"\0"), data)):
        try:
            read()
        except BadProxyHeader:
            continue
