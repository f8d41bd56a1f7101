"""The grammars of routes: what each reads, and what it refuses."""

from __future__ import annotations

import pytest

from proxy.config import scalars_route


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("1B", 1), ("64KiB", 65536), ("10MiB", 10 << 20), ("1GiB", 1 << 30), ("0B", 0)])
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert size == scalars_route.size_bytes(text)


@pytest.mark.parametrize("text", ["", "10", "1kB", "1MB", "-1B", "1.5MiB", "1 KiB", "9999999GiB", "1KiB1B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size|is over"):
        scalars_route.size_bytes(text)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 10 << 20, (1 << 30) + 1, 1 << 50])
def test_a_size_is_shown_as_it_is_read(size: int) -> None:
    assert size == scalars_route.size_bytes(scalars_route.shown_size(size))


@pytest.mark.parametrize("text", ["/", "/a/b", "/a//b", "/a%2Fb", "/~user/"])
def test_a_path_in_normal_form_is_taken(text: str) -> None:
    assert text == scalars_route.plain_path(text)


@pytest.mark.parametrize("text", ["a", "//a", "/a/../b", "/a?b", "/%7e", "/%2f", "/%00", "/%zz", "/\\", "/é", "/a b"])
def test_a_path_that_would_be_forwarded_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars_route.plain_path(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("Shop.Example", "shop.example"), ("a:81", "a:81"), ("[::1]:81", "[::1]:81"), ("127.0.0.1", "127.0.0.1")]
)
def test_an_authority_is_a_host_with_or_without_a_port(text: str, expected: str) -> None:
    assert expected == scalars_route.authority(text)


@pytest.mark.parametrize("text", ["a:0", "a:65536", "a:b", "*.a", "http://a", "a/b", "a b", "a:1:2", "::1", ""])
def test_what_is_no_authority_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars_route.authority(text)


@pytest.mark.parametrize("text", ["https://a/", "http://a:81/b?c=%20#d", "https://a"])
def test_a_location_is_a_url_as_written(text: str) -> None:
    assert text == scalars_route.location(text)


@pytest.mark.parametrize("text", ["/a", "ftp://a/", "https://", "https://a b/", "https:///b", "https://u@a/", "https://é/"])
def test_what_is_no_location_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scalars_route.location(text)


def test_a_rate_key_names_what_is_counted_apart() -> None:
    assert ("client_ip", "") == scalars_route.rate_key("client_ip")
    assert ("none", "") == scalars_route.rate_key("none")
    assert ("header", "x-tenant") == scalars_route.rate_key("header:X-Tenant")


@pytest.mark.parametrize("text", ["ip", "header", "header:", "header:a b", "cookie:a"])
def test_what_is_no_rate_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no key|is no header name"):
        scalars_route.rate_key(text)
