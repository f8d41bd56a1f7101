from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import limits
from proxy.config import scalars
from proxy.config.scalars import Address


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("250ms", 0.25), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1m30s", 90.0), ("1h0m0s1ms", 3600.001), ("0s", 0.0)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert seconds == scalars.duration_s(text)


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-1s", "1 s", "1d", "30s1m", "1S", "٣s", "999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        scalars.duration_s(text)


@given(st.integers(0, int(limits.DURATION_S_MAX) * 1000))
def test_a_shown_duration_reads_back(milliseconds: int) -> None:
    assert milliseconds / 1000 == scalars.duration_s(scalars.shown_duration(milliseconds / 1000))


@pytest.mark.parametrize(
    ("text", "bp"), [("5", 500), ("12.5", 1250), ("0.01", 1), ("12.5%", 1250), ("100", 10000), ("0.29", 29), (".5", 50)]
)
def test_a_step_weight_is_exact(text: str, bp: int) -> None:
    assert bp == scalars.step_weight_bp(text)


@pytest.mark.parametrize("text", ["0", "0%", "100.01", "-1", "1.234", "a", "", "%", "1e1", "nan"])
def test_a_step_weight_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars.step_weight_bp(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1", 1.0), ("0.125", 0.125), ("10%", 0.1), ("100%", 1.0)])
def test_a_fraction_may_be_a_percentage(text: str, value: float) -> None:
    assert value == scalars.fraction(text)


@pytest.mark.parametrize("text", ["1.01", "-0.1", "101%", "ten", ""])
def test_a_fraction_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fraction|percentage"):
        scalars.fraction(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("LOCALHOST:1", Address("localhost", 1)),
        ("[::1]:80", Address("::1", 80)),
        ("[0:0::1]:80", Address("::1", 80)),
        ("unix:/run/a.sock", Address(unix="/run/a.sock")),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
    ],
)
def test_an_address_to_listen_on_is_read(text: str, address: Address) -> None:
    assert address == scalars.listen_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "8080",
            ":8080",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:65536",
            "1.2.3:80",
            "::1:80",
            "[::1]",
            "[::1]80",
            "[x]:80",
        ),
        *("http://a:80", "a b:80", "unix:a", "unix:", "unix:/" + "a" * 120, "-a.b:80", "a..b:80", "127.0.0.1:٨٠"),
    ],
)
def test_what_is_no_address_to_listen_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars.listen_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://a.internal:9001", Address("a.internal", 9001)),
        ("http://a.internal", Address("a.internal", 80)),
        ("HTTP://a.internal/", Address("a.internal", 80)),
        ("a.internal:9001", Address("a.internal", 9001)),
        ("http://[::1]", Address("::1", 80)),
        ("https://a.internal", Address("a.internal", 443, tls=True)),
        ("HTTPS://[::1]:8443/", Address("::1", 8443, tls=True)),
        ("my_service:80", Address("my_service", 80)),
    ],
)
def test_an_endpoint_is_read(text: str, address: Address) -> None:
    assert address == scalars.endpoint_address(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ftp://a", "scheme"),
        ("http://u:p@a:1", "user name"),
        ("http://a:1/x", "path"),
        ("http://a:1?x", "path"),
        ("a", "no port"),
        ("a:0", "is no port"),
        ("http://", "no host"),
    ],
)
def test_what_is_no_endpoint_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        scalars.endpoint_address(text)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        (Address("127.0.0.1", 1), True),
        (Address("127.9.9.9", 1), True),
        (Address("::1", 1), True),
        (Address("localhost", 1), True),
        (Address(unix="/a"), True),
        (Address("0.0.0.0", 1), False),
        (Address("::", 1), False),
        (Address("localhost.example.com", 1), False),
        (Address("10.0.0.1", 1), False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(address: Address, loopback: bool) -> None:
    assert loopback == scalars.is_loopback(address)


@pytest.mark.parametrize(("text", "wanted"), [("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("fd00::/8", "fd00::/8")])
def test_a_network_is_read(text: str, wanted: str) -> None:
    assert wanted == scalars.network(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [("Shop.Example.com", "shop.example.com"), ("*.Example.com", "*.example.com"), ("[::1]", "[::1]"), ("127.0.0.1", "127.0.0.1")],
)
def test_a_host_is_matched_in_lower_case(text: str, host: str) -> None:
    assert host == scalars.match_host(text)


@pytest.mark.parametrize("text", ["*", "a.*", "*a.com", "a:80", "[::1]:80", "http://a", "a/b", "a.", "bücher.de", "a b", "*.*.a"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars.match_host(text)


@pytest.mark.parametrize("text", ["a", "", "/a?b", "/a#b", "/a b", "/a/../b", "/.", "/a\x00", "/" + "a" * 9000])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars.match_path(text)


def test_a_path_is_taken_as_written() -> None:
    assert "/A/%2F/..a/" == scalars.match_path("/A/%2F/..a/")


@pytest.mark.parametrize("text", ["(", "[z-a]", "a" * (limits.REGEX_CHARS_MAX + 1), "(" * 300, "[[a]", r"/\u00e9", "a{99999999999}"])
def test_what_is_no_regular_expression_over_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars.match_regex(text)


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        (scalars.method, "PURGE", "PURGE"),
        (scalars.header_name, "X-Tenant", "x-tenant"),
        (scalars.cookie_name, "Session", "Session"),
        (scalars.name, "v1.2_b-C", "v1.2_b-C"),
        (scalars.one_line, "a b", "a b"),
    ],
)
def test_a_name_is_read(read: Callable[[str], str], text: str, wanted: str) -> None:
    assert wanted == read(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (scalars.method, "get"),
        (scalars.method, "G T"),
        (scalars.method, "X" * (limits.METHOD_BYTES_MAX + 1)),
        (scalars.header_name, "a:b"),
        (scalars.header_name, "ä"),
        (scalars.cookie_name, "a=b"),
        (scalars.name, "-a"),
        (scalars.name, "a/b"),
        (scalars.name, "a" * (limits.NAME_CHARS_MAX + 1)),
        (scalars.one_line, "a\nb"),
    ],
)
def test_what_is_no_name_is_refused(read: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@pytest.mark.parametrize(
    ("written", "routed"),
    [("/café", "/caf%C3%A9"), ("/caf%c3%a9", "/caf%C3%A9"), ("/%61dmin", "/admin"), ("/a%2fb", "/a%2Fb"), ("/plain", "/plain")],
)
def test_a_path_is_kept_in_the_form_that_requests_are_routed_on(written: str, routed: str) -> None:
    assert routed == scalars.match_path(written)


@pytest.mark.parametrize("path", ["/a\\b", "/%00", "/%zz"])
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no request with it would be served"):
        scalars.match_path(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("10.0.0.2", "10.0.0.2:53"), ("10.0.0.2:5353", "10.0.0.2:5353"), ("::1", "[::1]:53"), ("[::1]:5353", "[::1]:5353")],
)
def test_a_nameserver_is_an_address_with_a_port(text: str, shown: str) -> None:
    assert shown == scalars.nameserver(text)


def test_a_nameserver_that_is_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="would have to be looked up itself"):
        scalars.nameserver("dns.internal")
