"""Rules 24 and 27: what the origin is told about who asked, and whom that is believed from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from proxy.dataplane.forwarding import Networks, Peer, RequestIds
from proxy.wire.request import Request, Starts, new_table, parse

INSIDE: Networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def get(*lines: str, start: str = "GET / HTTP/1.1", host: str = "Host: shop:81\r\n") -> Request:
    head = f"{start}\r\n{host}" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return parse(head.encode("latin-1"), Starts(), new_table())


def peer(address: str = "192.0.2.7", networks: Networks = INSIDE) -> Peer:
    return Peer(address, networks, b"headgate-1")


def sent(*lines: str, address: str = "192.0.2.7", networks: Networks = INSIDE, start: str = "GET / HTTP/1.1") -> list[str]:
    """Field lines that the origin gets after Host, in order."""
    head = peer(address, networks).head(get(*lines, start=start), b"id-1", b"Host: origin")
    text = head.decode("latin-1")
    assert text.endswith("\r\n\r\n")
    assert 1 == text.count("\r\n\r\n")
    return text[:-4].split("\r\n")[2:]


def named(lines: list[str], name: str) -> list[str]:
    return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name}:")]


# -- an untrusted peer --------------------------------------------------------------------------------------------------------


def test_a_plain_request_is_told_of_as_it_came() -> None:
    head = peer().head(get("Accept: */*", start="GET /a?b HTTP/1.1"), b"id-1", b"Host: origin")

    assert (
        b"GET /a?b HTTP/1.1\r\nHost: shop:81\r\nAccept: */*\r\n"
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop:81\r\n"
        b"Via: 1.1 headgate-1\r\nX-Request-Id: id-1\r\n\r\n"
    ) == head


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        ("X-Forwarded-For: 1.2.3.4", "x-forwarded-for", ["192.0.2.7"]),
        ("x-forwarded-for: 1.2.3.4, 10.0.0.1", "x-forwarded-for", ["192.0.2.7"]),
        ("X-Forwarded-Proto: https", "x-forwarded-proto", ["http"]),
        ("X-Forwarded-Host: evil", "x-forwarded-host", ["shop:81"]),
        ("Forwarded: for=1.2.3.4", "forwarded", []),
    ],
)
def test_the_word_of_an_untrusted_peer_is_overwritten(line: str, name: str, expected: list[str]) -> None:
    """Rule 27."""
    assert expected == named(sent(line), name)


def test_the_word_of_an_untrusted_peer_is_overwritten_with_a_body_as_well() -> None:
    """Rule 27: no path through the code forgets it."""
    lines = sent(
        "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1", "Content-Length: 5", "Via: 1.0 a", "TE: trailers", start="PUT / HTTP/1.1"
    )

    assert (["192.0.2.7"], []) == (named(lines, "x-forwarded-for"), named(lines, "forwarded"))


def test_requests_to_two_hosts_on_one_connection_name_each() -> None:
    one = peer()
    hosts = ["a", "b", "b", "a"]
    heads = [one.head(get(host=f"Host: {host}\r\n"), b"id", b"").decode() for host in hosts]

    assert hosts == [named(head.split("\r\n"), "x-forwarded-host")[0] for head in heads]


def test_what_one_request_brought_is_not_told_of_the_next() -> None:
    one = peer("10.0.0.9")
    one.head(get("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: x"), b"id", b"")
    plain = one.head(get(), b"id", b"").decode().split("\r\n")

    assert (["10.0.0.9"], ["http"], ["shop:81"]) == tuple(named(plain, f"x-forwarded-{what}") for what in ("for", "proto", "host"))


def test_a_repeated_request_gets_its_own_start_line_and_id() -> None:
    one, request = peer(), get("Accept: a")
    one.head(request, b"id-1", b"")
    request.again(Starts()[b"GET /b HTTP/1.1"])
    head = one.head(request, b"id-2", b"").decode().split("\r\n")

    assert ("GET /b HTTP/1.1", ["id-2"], ["a"]) == (head[0], named(head, "x-request-id"), named(head, "accept"))


# -- a trusted peer -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ["10.0.0.9"]),
        (["X-Forwarded-For: 1.2.3.4"], ["1.2.3.4, 10.0.0.9"]),
        (["X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-For: 10.0.0.1"], ["1.2.3.4, 5.6.7.8, 10.0.0.1, 10.0.0.9"]),
    ],
)
def test_a_trusted_peer_is_appended_to_whom_it_names(lines: list[str], expected: list[str]) -> None:
    """Rule 27: one line, in order."""
    assert expected == named(sent(*lines, address="10.0.0.9"), "x-forwarded-for")


@pytest.mark.parametrize(
    ("given", "expected"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("ftp", "http"), ("", "http")]
)
def test_the_scheme_a_trusted_peer_names_is_believed_when_it_is_one(given: str, expected: str) -> None:
    """Rule 27."""
    assert [expected] == named(sent(f"X-Forwarded-Proto: {given}", address="10.0.0.9"), "x-forwarded-proto")


def test_the_host_a_trusted_peer_names_is_believed() -> None:
    """Rule 27."""
    assert ["www.shop"] == named(sent("X-Forwarded-Host: www.shop", address="10.0.0.9"), "x-forwarded-host")
    assert ["shop:81"] == named(sent(address="10.0.0.9"), "x-forwarded-host")


def test_forwarded_of_a_trusted_peer_goes_on() -> None:
    """RFC 7239."""
    assert ["for=1", "for=2"] == named(sent("Forwarded: for=1", "Forwarded: for=2", address="10.0.0.9"), "forwarded")


def test_a_unix_peer_is_trusted_and_adds_no_address() -> None:
    assert [] == named(sent(address=""), "x-forwarded-for")
    assert ["1.2.3.4"] == named(sent("X-Forwarded-For: 1.2.3.4", address=""), "x-forwarded-for")


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("fd00::1%eth0", True),
        ("", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("2001:db8::1", False),
        ("not an address", False),
    ],
)
def test_a_peer_is_trusted_by_its_network(address: str, trusted: bool) -> None:
    """A dual-stack listener sees IPv4 peers as ``::ffff:a.b.c.d``."""
    assert trusted is peer(address).trusted


def test_nobody_is_trusted_without_networks() -> None:
    assert not peer("127.0.0.1", ()).trusted


# -- the client itself --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "lines", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["X-Forwarded-For: 1.2.3.4"], "192.0.2.7"),
        ("10.0.0.9", [], "10.0.0.9"),
        ("10.0.0.9", ["X-Forwarded-For: 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.9", ["X-Forwarded-For: 6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.9", ["X-Forwarded-For: 6.6.6.6, 1.2.3.4 , 10.0.0.1,fd00::5"], "1.2.3.4"),
        ("10.0.0.9", ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: ::ffff:10.0.0.1"], "1.2.3.4"),
        ("10.0.0.9", ["X-Forwarded-For: 10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.9", ["X-Forwarded-For: 6.6.6.6, unknown"], "unknown"),
        ("10.0.0.9", ["X-Forwarded-For: 2001:db8::1"], "2001:db8::1"),
        ("10.0.0.9", ["X-Forwarded-For:"], ""),
        ("", ["X-Forwarded-For: 1.2.3.4"], "1.2.3.4"),
        ("", [], ""),
    ],
)
def test_the_client_is_the_last_hop_no_trusted_proxy_vouches_for(address: str, lines: list[str], client: str) -> None:
    """Read from the right: what stands on the left of it was written by the client."""
    assert client.encode() == peer(address).client(get(*lines))


# -- our own lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.9"])
def test_via_is_appended_to_that_of_earlier_proxies(address: str) -> None:
    """Rule 27."""
    assert ["1.1 headgate-1"] == named(sent(address=address), "via")
    assert ["1.0 a, 1.1 b, 1.1 headgate-1"] == named(sent("Via: 1.0 a", "Via: 1.1 b", address=address), "via")


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.9"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [("Content-Length: 05", ["Content-Length: 5"]), ("Transfer-Encoding: Chunked", ["Transfer-Encoding: chunked"])],
)
def test_framing_is_written_from_parsed_values(address: str, line: str, expected: list[str]) -> None:
    """Rule 24."""
    lines = sent(line, address=address, start="POST / HTTP/1.1")

    assert expected == [x for x in lines if x.lower().startswith(("content-length", "transfer-encoding"))]


def test_a_length_of_zero_is_said_once() -> None:
    """Rule 24."""
    assert ["0"] == named(sent("Content-Length: 00", start="POST / HTTP/1.1"), "content-length")


def test_an_expectation_goes_on_with_its_body() -> None:
    """Rule 31."""
    assert ["100-continue"] == named(sent("Content-Length: 5", "Expect: 100-Continue", start="POST / HTTP/1.1"), "expect")
    assert [] == named(sent("Expect: 100-continue", start="POST / HTTP/1.1"), "expect")


@pytest.mark.parametrize(("line", "expected"), [("TE: trailers", ["TE: trailers", "Connection: TE"]), ("TE: gzip", [])])
def test_only_trailers_are_asked_for(line: str, expected: list[str]) -> None:
    """Rules 22 and 26."""
    assert expected == [x for x in sent(line) if x.startswith(("TE", "Connection"))]


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.9"])
def test_an_http_1_0_request_without_host_gets_the_origins(address: str) -> None:
    request = get(start="GET / HTTP/1.0", host="")
    head = peer(address).head(request, b"id-1", b"Host: origin:1").decode().split("\r\n")

    assert ("GET / HTTP/1.1", ["origin:1"], []) == (head[0], named(head, "host"), named(head, "x-forwarded-host"))


def test_a_request_without_host_after_one_with_it_does_not_borrow_it() -> None:
    one = peer()
    one.head(get(), b"id", b"")
    head = one.head(get(start="GET / HTTP/1.0", host=""), b"id", b"Host: origin").decode().split("\r\n")

    assert (["origin"], []) == (named(head, "host"), named(head, "x-forwarded-host"))


# -- request ids --------------------------------------------------------------------------------------------------------------


class Bits:
    """A source of chance that says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, width: int) -> int:
        self.asked.append(width)
        return len(self.asked)


@pytest.mark.parametrize("given", [b"a", b"7f-00_x.y~z:/+=@", b"A" * 128])
def test_a_short_printable_id_is_kept(given: bytes) -> None:
    assert given == RequestIds(Bits()).keep_or_make(given)


@pytest.mark.parametrize("given", [b"", b"a b", b"a\tb", b"\x80", b"A" * 129, b'"a"', b"a,b", b"<a>", b"a\n", b"{a}"])
def test_any_other_id_is_replaced(given: bytes) -> None:
    made = RequestIds(Bits()).keep_or_make(given)

    assert given != made
    assert (32, set()) == (len(made), set(made) - set(b"0123456789abcdef"))


def test_made_ids_are_unique_over_blocks() -> None:
    """A new prefix of 112 bits for every 65,536."""
    bits = Bits()
    ids = RequestIds(bits)
    made = {ids.keep_or_make(b"") for _ in range(0x10000 * 2 + 5)}
    count = len(made)

    assert 0x10000 * 2 + 5 == count
    assert [112, 112, 112] == bits.asked


def test_an_id_that_is_kept_uses_none_up() -> None:
    bits = Bits()
    ids = RequestIds(bits)
    ids.keep_or_make(b"mine")

    assert [] == bits.asked
